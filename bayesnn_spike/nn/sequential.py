"""A chain of layers that threads state through those that have one."""

import inspect
from typing import Any, final

from torch import Tensor, nn

from bayesnn_spike.nn.state import at_rest


@final
class Sequential(nn.Module):
    """Run layers in order; the state is a tuple with one entry a layer (None where there is none).

    A layer has state if its `forward` takes an argument called `state`; it then returns
    `(output, state)`. Anything else is called with the input alone.

    Args:
        layers: modules by name, in order.

    Raises:
        ValueError: (at call) the state has another number of entries than there are layers.

    Oracle: tests/nn/test_sequential.py.
    """

    def __init__(self, **layers: nn.Module) -> None:
        super().__init__()
        self._has_state = []
        for name, layer in layers.items():
            self.add_module(name, layer)
            self._has_state.append("state" in inspect.signature(layer.forward).parameters)

    def forward(self, x: Tensor, state: tuple | None = None) -> tuple[Any, tuple]:
        """Map `[*K, T, B, *features]` through all layers; return (output, state)."""
        layers = list(self.children())
        if state is None:
            state = (None,) * len(layers)
        if len(state) != len(layers):
            raise ValueError(
                f"the state has {len(state)} entries for {len(layers)} layers; "
                "pass None to start from rest"
            )
        after = []
        for layer, has_state, before in zip(layers, self._has_state, state, strict=True):
            if has_state:
                x, carried = layer(x, before)
                after.append(carried)
            else:
                x = layer(x)
                after.append(None)
        return x, tuple(after)

    def at_rest(self, steps: int) -> tuple:
        """Return the state before a run of `steps` steps; see `bayesnn_spike.nn.at_rest`."""
        return tuple(at_rest(layer, steps) for layer in self.children())
