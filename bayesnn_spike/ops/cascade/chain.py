"""What a cascade runs: layers of neurons, and behind each of them pools and a synapse.

All of it are values: tensors are copied when a value is made.
"""

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import final

import torch
from torch import Tensor

from bayesnn_spike.checks import require_interval, require_ndim, require_positive
from bayesnn_spike.ops.fire.spike_time import Immediate, Order
from bayesnn_spike.ops.fire.surrogate import AtOrAbove, Comparison
from bayesnn_spike.ops.synapse.shapes import map_after, pair


@final
@dataclass(frozen=True, eq=False)
class Neurons:
    """Neurons with soft reset, as of `clocked_fire`.

    Attributes:
        threshold: 0-dim, or broadcastable to the features: `[N]`, `[C, 1, 1]`, `[C, H, W]`.
        v_init: the membrane at rest as a part of the threshold; a number, or as the threshold.
        leak: factor of the membrane a step, in [0, 1].
        order: Immediate() or Delayed().
        comparison: AtOrAbove() or Above(), decides ties.
    """

    threshold: Tensor
    v_init: float | Tensor = 0.0
    leak: float = 1.0
    order: Order = Immediate()
    comparison: Comparison = AtOrAbove()

    def __post_init__(self) -> None:
        require_interval(self.leak, "Neurons.leak", 0.0, 1.0)
        _copy(self, "threshold", "v_init")

    def rest(self) -> Tensor:
        """Membranes at rest; broadcasts to the features."""
        return self.v_init * self.threshold


@final
@dataclass(frozen=True, eq=False)
class Layer:
    """Neurons, and what their spikes go through: average pools, then a synapse.

    Attributes:
        neurons: of this layer.
        weight: `[O, C, h, w]` of a convolution, or `[M, N]` of a linear layer, which flattens maps.
        bias: `[O]` or `[M]`, a current at every step.
        pools: sides of windows that do not overlap, in order.
        stride: of the convolution.
        padding: likewise.
    """

    neurons: Neurons
    weight: Tensor
    bias: Tensor | None = None
    pools: tuple[int, ...] = ()
    stride: int | tuple[int, int] = 1
    padding: int | tuple[int, int] = 0

    def __post_init__(self) -> None:
        require_ndim(self.weight, "the weight of a layer", "[O, C, h, w] or [M, N]", 2, 4)
        _copy(self, "weight", "bias")

    def pooled(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of this layer's features behind the pools.

        Raises:
            ValueError: pools of vectors, or of maps that hold no window.
        """
        for side in self.pools:
            require_positive(side, "the side of a pool")
            if len(shape) != 3 or min(shape[1:]) < side:
                raise ValueError(f"features of shape {shape} hold no window of {side} x {side}")
            shape = (shape[0], shape[1] // side, shape[2] // side)
        return shape

    def shape_after(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the currents behind the synapse.

        Raises:
            ValueError: pools, weight or bias do not fit the features.
        """
        shape = self.pooled(shape)
        maps = self.weight.ndim == 4
        inputs = shape[0] if maps else math.prod(shape)
        if (maps and len(shape) != 3) or self.weight.shape[1] != inputs:
            raise ValueError(
                f"a weight {tuple(self.weight.shape)} does not fit features of shape {shape}"
            )
        outputs = self.weight.shape[0]
        if self.bias is not None and tuple(self.bias.shape) != (outputs,):
            raise ValueError(f"the bias must be {(outputs,)}, got {tuple(self.bias.shape)}")
        if not maps:
            return (outputs,)
        return (outputs, *map_after(shape[1:], self.weight.shape[2:], self.stride, self.padding))

    def window(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return stride and padding as pairs."""
        return pair(self.stride), pair(self.padding)


@final
@dataclass(frozen=True, eq=False)
class Chain:
    """Layers one behind the other; what comes out of the last synapse is the readout.

    Attributes:
        shape: features of the first layer's neurons, `(N,)` or `(C, H, W)`.
        layers: at least one.
        shapes: features of every layer, and at the end those of the readout.
        finite: no weight is NaN or infinite.

    Raises:
        ValueError: there is no layer, shapes do not fit, or dtypes or devices differ.
    """

    shape: tuple[int, ...]
    layers: tuple[Layer, ...]
    shapes: tuple[tuple[int, ...], ...] = field(init=False)
    finite: bool = field(init=False)

    def __post_init__(self) -> None:
        if not self.layers or len(self.shape) not in (1, 3):
            raise ValueError(
                f"a chain is of at least one layer, of features (N,) or (C, H, W); got "
                f"{len(self.layers)} layers and {tuple(self.shape)}"
            )
        shapes = [tuple(self.shape)]
        for layer in self.layers:
            shapes.append(layer.shape_after(shapes[-1]))
        object.__setattr__(self, "shapes", tuple(shapes))
        for layer, (shape, _) in zip(self.layers, pairwise(shapes), strict=True):
            for name in ("threshold", "v_init"):
                _require_broadcast(name, getattr(layer.neurons, name), shape)
        kinds = {(tensor.dtype, tensor.device) for tensor in self.tensors()}
        if len(kinds) > 1:
            raise ValueError(f"a chain is of one dtype and on one device, got {kinds}")
        finite = all(bool(layer.weight.isfinite().all()) for layer in self.layers)
        object.__setattr__(self, "finite", finite)

    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors."""
        values = [
            (layer.weight, layer.bias, layer.neurons.threshold, layer.neurons.v_init)
            for layer in self.layers
        ]
        return tuple(value for some in values for value in some if isinstance(value, Tensor))


def _copy(value: object, *names: str) -> None:
    """Make tensors the value's own."""
    for name in names:
        tensor = getattr(value, name)
        if isinstance(tensor, Tensor):
            object.__setattr__(value, name, tensor.detach().clone())


def _require_broadcast(name: str, value: float | Tensor, shape: tuple[int, ...]) -> None:
    if not isinstance(value, Tensor):
        return
    try:
        fits = torch.broadcast_shapes(value.shape, shape) == torch.Size(shape)
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(
            f"{name} of shape {tuple(value.shape)} does not broadcast to features of shape {shape}"
        )
