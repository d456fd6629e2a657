"""Layers that are joined by name: what a chain cannot say, such as a residual branch."""

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from bayesnn_spike.nn.state import at_rest
from bayesnn_spike.ops.fire.spike_time import Delayed

INPUT = "input"


class Node(NamedTuple):
    """A layer and what it reads.

    Attributes:
        layer: called with its inputs in order, and with `state` if its `forward` takes one.
        inputs: names of nodes before it, or "input".
    """

    layer: nn.Module
    inputs: tuple[str, ...]


@final
class Graph(nn.Module):
    """Run named layers in the order given; the state is a tuple with one entry a layer.

    The threading of state is that of `Sequential`: a layer whose `forward` takes an argument called
    `state` returns `(output, state)`. A value is let go after its last reader. A call without a
    state is a whole run; the chunks of a longer one start from `at_rest(steps)`.

    Args:
        nodes: layers by name, each after those that it reads; names are those of submodules.
        output: name of the node that is returned, by default the last one.
        feature_dims: trailing feature axes of the input: 1 for vectors, 3 for maps.

    Raises:
        ValueError: a node reads something that is not before it, or is called "input"; there is no
            such output; (at call) the state has another number of entries; an input, started
            from rest, has no axis of time; or a network of neurons in the delayed order, started
            from rest, has too few steps to be heard.

    Oracle: tests/nn/test_graph.py.
    """

    def __init__(
        self, nodes: Mapping[str, Node], *, output: str | None = None, feature_dims: int = 1
    ) -> None:
        super().__init__()
        self._feature_dims = feature_dims
        self._output = list(nodes)[-1] if output is None and nodes else output
        self._inputs: dict[str, tuple[str, ...]] = {}
        self._has_state: dict[str, bool] = {}
        for name, (layer, inputs) in nodes.items():
            if name == INPUT:
                raise ValueError(f"no node may be called {INPUT!r}: that is what the network reads")
            unknown = [i for i in inputs if i != INPUT and i not in self._inputs]
            if unknown or not inputs:
                raise ValueError(f"node {name!r} reads {unknown or 'nothing'}, not a node before")
            self.add_module(name, layer)
            self._inputs[name] = tuple(inputs)
            self._has_state[name] = "state" in inspect.signature(layer.forward).parameters
        if self._output not in self._inputs:
            raise ValueError(f"there is no node {self._output!r} to return")
        self._last_reader = {i: name for name, inputs in self._inputs.items() for i in inputs}

    def reads(self) -> dict[str, tuple[str, ...]]:
        """Return what every node reads, by the node's name, in the order in which they run."""
        return dict(self._inputs)

    def returns(self) -> str:
        """Return the name of the node whose value the network returns."""
        return self._output

    @property
    def feature_dims(self) -> int:
        """Trailing feature axes of the input."""
        return self._feature_dims

    def delays(self) -> tuple[int, int]:
        """Return the steps after which the output first and last hears of the input's first step.

        A neuron in the delayed order delays by one step, all other layers by none.
        """
        first, last = {INPUT: 0}, {INPUT: 0}
        for name, inputs in self._inputs.items():
            own = int(isinstance(getattr(self.get_submodule(name), "order", None), Delayed))
            first[name] = own + min(first[i] for i in inputs)
            last[name] = own + max(last[i] for i in inputs)
        return first[self._output], last[self._output]

    def forward(self, x: Tensor, state: tuple | None = None) -> tuple[Any, tuple]:
        """Map `[*K, T, B, *features]` to (output, state)."""
        if state is None:
            if len(x.shape) < self._feature_dims + 2:
                raise ValueError(
                    f"expected [*K, T, B, *features] with {self._feature_dims} axes of features, "
                    f"got shape {tuple(x.shape)}; encoding.direct(images, T) makes it of images"
                )
            state = self.at_rest(x.shape[-self._feature_dims - 2])
        if len(state) != len(self._inputs):
            raise ValueError(
                f"the state has {len(state)} entries for {len(self._inputs)} layers; "
                "pass None to start from rest"
            )
        values, after = {INPUT: x}, []
        for (name, inputs), before in zip(self._inputs.items(), state, strict=True):
            layer, read = self.get_submodule(name), [values[i] for i in inputs]
            if self._has_state[name]:
                values[name], carried = layer(*read, before)
                after.append(carried)
            else:
                values[name] = layer(*read)
                after.append(None)
            for i in set(inputs):
                if self._last_reader[i] == name and i != self._output:
                    del values[i]
        return values[self._output], tuple(after)

    def at_rest(self, steps: int) -> tuple:
        """Return the state before a run of `steps` steps, whatever the length of its chunks.

        Raises:
            ValueError: as `require_steps`.
        """
        self.require_steps(steps)
        return tuple(at_rest(self.get_submodule(name), steps) for name in self._inputs)

    def require_steps(self, steps: int) -> None:
        """Raise ValueError if part of the network cannot be heard within the steps."""
        first, last = self.delays()
        if steps <= first:
            raise ValueError(
                f"{steps} time steps cannot cross {first} spiking layers in the delayed order, one "
                "step each: the readout would not depend on the input, which is exact chance; "
                f"take at least {last + 1} steps, or the immediate order"
            )
        if steps <= last:
            raise ValueError(
                f"{steps} time steps cannot cross the longest path of {last} spiking layers in the "
                f"delayed order: those layers would not be heard; take at least {last + 1} steps, "
                "or the immediate order"
            )

    def extra_repr(self) -> str:
        return ", ".join(f"{name}({', '.join(read)})" for name, read in self._inputs.items())


@final
class Add(nn.Module):
    """The sum of its inputs, each times a gain of its own.

    Args:
        gains: one per input, each a number or a tensor that broadcasts over one step's features
            (`[N]`, or `[C, 1, 1]` for maps). They are buffers; tensors of floats keep their
            precision and device.

    Raises:
        ValueError: (at call) another number of inputs than gains.

    Source: homogeneity of ReLU networks; a branch on another scale is multiplied by the ratio.
    Oracle: tests/nn/test_graph.py.
    """

    def __init__(self, *gains: float | Tensor) -> None:
        super().__init__()
        for index, gain in enumerate(gains):
            kept = isinstance(gain, Tensor) and gain.is_floating_point()
            value = gain if kept else torch.as_tensor(gain, dtype=torch.get_default_dtype())
            self.register_buffer(f"gain{index}", value.detach().clone())

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map tensors `[*K, T, B, *features]` of one shape (or with and without K) to their sum."""
        gains = list(self.buffers())
        if len(inputs) != len(gains):
            raise ValueError(f"{len(gains)} gains for {len(inputs)} inputs")
        total = None
        for value, gain in zip(inputs, gains, strict=True):
            part = value if gain.ndim == 0 and gain == 1 else value * gain
            total = part if total is None else total + part
        return total
