"""States of networks: trees of tuples, named tuples, dictionaries, tensors, None."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


def at_rest(network: nn.Module, steps: int) -> Any:
    """Return the state that a run of `steps` time steps starts from, in chunks of any length.

    A network that is called without a state takes the steps of that call for all there are. Whoever
    cuts a run into chunks says here how long the whole is, and hands the result to the first one.

    Args:
        network: any module; one with a method `at_rest(steps)` (`Graph`, `Sequential`,
            `LocalReadouts`) is asked, with all that is inside it.
        steps: T of the whole run.

    Returns:
        A tree of None, or None: of every other module that is the state at rest.

    Raises:
        ValueError: part of the network cannot be heard within the steps; see `Graph`.

    Oracle: tests/nn/test_state.py.
    """
    own = getattr(network, "at_rest", None)
    return None if own is None else own(steps)


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
