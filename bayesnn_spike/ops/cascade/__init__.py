"""Layers of neurons as lists of spikes: for sparse spikes in prediction, without gradients."""

from dataclasses import dataclass, field
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops._threads import parallel
from bayesnn_spike.ops.cascade.fan import GROUP, Fan, conv_fan, linear_fan, padded
from bayesnn_spike.ops.cascade.kernels import run_layer, run_readout

_NO_FAN = Fan(*(np.zeros(0, np.int64) for _ in range(4)), GROUP)


def _nothing() -> np.ndarray:
    return np.zeros(0, np.float32)


class Spikes(NamedTuple):
    """Spikes of B examples and T steps, as lists.

    Attributes:
        places: int32 `[B, most]`, numbers of (pixel, channel), step after step.
        ends: int64 `[B, T]`, where every step's end.
        wide: places of a pixel.
    """

    places: np.ndarray
    ends: np.ndarray
    wide: int

    def counts(self, shape: tuple[int, ...]) -> Tensor:
        """How often every neuron fires in these steps: float32 `[B, *shape]`, channels first."""
        channels, pixels = shape[0], int(np.prod(shape[1:], dtype=np.int64))
        found = np.stack(
            [
                np.bincount(places[: ends[-1]], minlength=pixels * self.wide)
                for places, ends in zip(self.places, self.ends, strict=True)
            ]
        )
        maps = found.reshape(len(found), pixels, self.wide)[:, :, :channels].transpose(0, 2, 1)
        return torch.from_numpy(maps.astype(np.float32)).reshape(len(found), *shape)


@final
@dataclass(frozen=True, eq=False)
class Neurons:
    """Neurons of a layer, channels first.

    Attributes:
        threshold: broadcasts to the layer's shape.
        rest: the membrane at rest, likewise.
        closed: they fire at the threshold, not only above it.
        leak: factor of the membrane a step.
        delayed: the membrane before a step decides.
    """

    threshold: Tensor
    rest: Tensor
    closed: bool
    leak: float
    delayed: bool


@final
@dataclass(frozen=True, eq=False)
class Layer:
    """A layer of a cascade: what its spikes come through, and its neurons (none in a readout).

    Attributes:
        shape: `(N,)` or `(C, H, W)`.
        fan: where the spikes of the layer before go.
        rows: float32, their weights.
        bias: float32, added to every membrane at every step; empty for none.
        neurons: None for a readout.
    """

    shape: tuple[int, ...]
    fan: Fan = _NO_FAN
    rows: np.ndarray = field(default_factory=_nothing)
    bias: np.ndarray = field(default_factory=_nothing)
    neurons: Neurons | None = None

    @property
    def size(self) -> int:
        """Membranes, with those that fill channels up to a multiple of sixteen."""
        return padded(self.shape[0]) * int(np.prod(self.shape[1:], dtype=np.int64))

    def rest(self, batch: int) -> np.ndarray:
        """Membranes at rest, float32 `[B, size]`."""
        return np.tile(channels_last(self.neurons.rest, self.shape, 0.0), (batch, 1))


def behind(
    layer: Layer,
    pools: tuple[int, ...],
    weight: Tensor,
    bias: Tensor | None,
    *,
    stride: int = 1,
    padding: int = 0,
    neurons: Neurons | None = None,
) -> Layer:
    """Return the layer behind average pools and a synapse.

    Args:
        layer: the one before.
        pools: sides of windows that do not overlap.
        weight: `[O, C, h, h]` of a convolution, or `[M, N]` of a linear layer, which flattens maps.
        bias: `[O]` or `[M]`.
        stride: of the convolution.
        padding: likewise.
        neurons: None for a readout.

    Oracle: tests/ops/test_cascade.py.
    """
    if weight.ndim == 4:
        fan, rows, shape = conv_fan(layer.shape, pools, weight, stride, padding)
    else:
        fan, rows, shape = linear_fan(layer.shape, pools, weight)
    more = _nothing()
    if bias is not None:
        more = channels_last(bias.view(-1, *[1] * (len(shape) - 1)), shape, 0.0)
    return Layer(shape, fan, rows, more, neurons)


@torch.no_grad()
def fire(
    layer: Layer,
    membrane: np.ndarray,
    spikes: Spikes | None,
    current: Tensor | None = None,
    *,
    steps: int,
) -> Spikes:
    """Run a layer of neurons over the spikes of the layer before, or over currents.

    Args:
        layer: with neurons.
        membrane: float32 `[B, size]`; it is changed.
        spikes: of the layer before; None where there are currents only.
        current: float32 `[1 or T, B, *shape]`, instead of the bias.
        steps: T.

    Source: the neuron of ops/fire/README.md. Oracle: tests/ops/test_cascade.py.
    """
    neurons, batch = layer.neurons, len(membrane)
    if neurons.threshold.numel() == 1 and layer.shape[0] % GROUP == 0:
        threshold = np.full(GROUP, neurons.threshold.item(), np.float32)
        limit = threshold
    else:
        threshold = channels_last(neurons.threshold, layer.shape, 0.0)
        limit = channels_last(neurons.threshold, layer.shape, np.inf)
    if not neurons.closed:
        limit = np.nextafter(limit, np.float32(np.inf))
    more = layer.bias.reshape(1, 1, -1)
    if current is not None:
        more = np.stack([channels_last(one, layer.shape, 0.0) for one in current.flatten(0, 1)])
        more = more.reshape(len(current), batch, -1).swapaxes(0, 1)
    more = np.ascontiguousarray(more)
    places = np.empty((batch, layer.size * steps), np.int32)
    ends = np.empty((batch, steps), np.int64)
    seen = Spikes(np.zeros((batch, 0), np.int32), np.zeros((0, 0), np.int64), 1)
    seen = seen if spikes is None else spikes
    leak = np.float32(neurons.leak)
    parallel(
        lambda i, j: run_layer(
            seen.places,
            seen.ends,
            seen.wide,
            layer.fan,
            layer.rows,
            more,
            membrane,
            threshold,
            limit,
            leak,
            neurons.delayed,
            places,
            ends,
            i,
            j,
        ),
        batch,
    )
    return Spikes(places, ends, padded(layer.shape[0]))


def read_out(layer: Layer, spikes: Spikes) -> Tensor:
    """Currents of a readout at every step, float32 `[T, B, *shape]`."""
    batch, steps = spikes.ends.shape
    out = np.empty((batch, steps, layer.size), np.float32)
    bias = layer.bias if layer.bias.size else np.zeros(layer.size, np.float32)
    parallel(
        lambda i, j: run_readout(
            spikes.places, spikes.ends, spikes.wide, layer.fan, layer.rows, bias, out, i, j
        ),
        batch,
    )
    found = torch.from_numpy(out).view(batch, steps, *layer.shape[1:], padded(layer.shape[0]))
    found = (
        found[..., : layer.shape[0]].movedim(-1, 2)
        if len(layer.shape) > 1
        else (found[..., : layer.shape[0]])
    )
    return found.transpose(0, 1)


def channels_last(values: Tensor, shape: tuple[int, ...], fill: float) -> np.ndarray:
    """Numbers that broadcast to `shape`, pixel by pixel, channels filled up: float32, flat."""
    full = values.detach().float().expand(shape)
    last = full.movedim(0, -1) if len(shape) > 1 else full
    more = torch.nn.functional.pad(last, (0, padded(shape[0]) - shape[0]), value=fill)
    return more.contiguous().view(-1).numpy()
