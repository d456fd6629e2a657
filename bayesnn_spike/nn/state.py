"""Walk the tree of a network's state: tuples, named tuples, dictionaries, tensors, None."""

from collections.abc import Callable
from typing import Any

from torch import Tensor


def map_state(function: Callable[[Tensor], Tensor], state: Any) -> Any:
    """Apply `function` to every tensor of a state and rebuild the same structure.

    Raises:
        TypeError: the tree holds something else than tensors, tuples, dictionaries and None.
    """
    if state is None:
        return None
    if isinstance(state, Tensor):
        return function(state)
    if isinstance(state, dict):
        return {name: map_state(function, value) for name, value in state.items()}
    if isinstance(state, tuple):
        values = [map_state(function, value) for value in state]
        return type(state)(*values) if hasattr(state, "_fields") else tuple(values)
    raise TypeError(f"a network state holds tensors, tuples, dicts and None, got {type(state)}")
