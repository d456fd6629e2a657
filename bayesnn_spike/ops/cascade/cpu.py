"""`cascade` on the CPU: every spike adds its row of weights to the membranes that it reaches.

Steps go in blocks through all layers, so that the lists of spikes between two layers stay small
whatever T is. Oracle: tests/ops/test_cascade_cpu.py.
"""

from itertools import pairwise
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops._threads import parallel
from bayesnn_spike.ops.cascade.chain import Chain, Neurons
from bayesnn_spike.ops.cascade.fan import GROUP, Fan, fan_of, padded, places
from bayesnn_spike.ops.cascade.kernels import run_layer, run_readout
from bayesnn_spike.ops.fire.spike_time import Delayed
from bayesnn_spike.ops.fire.surrogate import Above

STEPS = 16
"""Steps of a block."""

_NO_FAN = Fan(*(np.zeros(0, np.int64) for _ in range(4)), GROUP)
_NONE = np.zeros(0, np.float32)
_NO_START = np.zeros((0, 0), np.float32)


class _Spikes(NamedTuple):
    """Spikes of B examples and the steps of a block, as lists.

    Attributes:
        places: int32 `[B, most]`, numbers of (pixel, channel), step after step.
        ends: int64 `[B, T]`, where every step's end.
        wide: places of a pixel.
    """

    places: np.ndarray
    ends: np.ndarray
    wide: int


class _Ready(NamedTuple):
    """A layer as the kernels take it: what leads to its membranes, and what its neurons do.

    Attributes:
        shape: features, channels first.
        fan: where the spikes of the layer before go.
        rows: float32, their weights.
        bias: float32 `[1, 1, size]`, a current at every step; may be empty.
        threshold: float32 `[size]`, what a spike takes off; `[16]` where all are one number.
        limit: float32, likewise, the least membrane that fires.
        leak: factor of the membrane a step.
        delayed: whether the membrane before the step decides.
    """

    shape: tuple[int, ...]
    fan: Fan = _NO_FAN
    rows: np.ndarray = _NONE
    bias: np.ndarray = _NONE.reshape(1, 1, 0)
    threshold: np.ndarray = _NONE
    limit: np.ndarray = _NONE
    leak: np.float32 = np.float32(1)
    delayed: bool = False


_ready: WeakKeyDictionary[Chain, tuple[_Ready, ...]] = WeakKeyDictionary()


def cascade(
    current: Tensor, chain: Chain, state: tuple[Tensor, ...], *, counts: bool
) -> tuple[Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Readout, numbers of spikes, last membranes."""
    if chain not in _ready:
        _ready[chain] = _prepare(chain)
    *layers, readout = _ready[chain]
    steps, batch = current.shape[:2]
    constant = steps > 1 and current.stride(0) == 0
    given = _last((current[:1] if constant else current).transpose(0, 1), 2)
    given = given.reshape(*given.shape[:2], places(chain.shape))
    starts = [
        _last(_own(v), 1).reshape(-1, places(layer.shape))
        for v, layer in zip(state, layers, strict=True)
    ]
    membranes = [np.empty((batch, places(layer.shape)), np.float32) for layer in layers]
    fired = [np.zeros(v.shape, np.int64) for v in membranes] if counts else []
    out = np.empty((batch, steps, places(readout.shape)), np.float32)
    for first in range(0, steps, STEPS):
        count = min(STEPS, steps - first)
        trains: list[_Spikes] = []
        for i, layer in enumerate(layers):
            more = layer.bias
            if i == 0:
                more = given if given.shape[1] == 1 else given[:, first : first + count]
            start = _NO_START if first else starts[i]
            more = np.ascontiguousarray(more)
            trains.append(_fire(layer, trains, start, membranes[i], more, count))
        for total, train in zip(fired, trains, strict=False):
            _add_counts(total, train)
        _read_out(readout, trains[-1], out, first)
    return (
        _first(out, readout.shape, 2).transpose(0, 1),
        tuple(_first(n.astype(np.float32), x.shape) for n, x in zip(fired, layers, strict=False)),
        tuple(_first(v, layer.shape) for v, layer in zip(membranes, layers, strict=True)),
    )


def _fire(
    layer: _Ready,
    trains: list[_Spikes],
    start: np.ndarray,
    membranes: np.ndarray,
    more: np.ndarray,
    steps: int,
) -> _Spikes:
    """Run neurons through the steps of a block; `membranes` go on from `start`, or from before."""
    batch, size = membranes.shape
    seen = (
        trains[-1] if trains else _Spikes(np.zeros((batch, 0), np.int32), np.zeros((0, 0), int), 1)
    )
    made = _Spikes(
        np.empty((batch, size * steps), np.int32),
        np.empty((batch, steps), np.int64),
        padded(layer.shape[0]),
    )
    parallel(
        lambda i, j: run_layer(
            seen.places,
            seen.ends,
            seen.wide,
            layer.fan,
            layer.rows,
            more,
            start,
            membranes,
            layer.threshold,
            layer.limit,
            layer.leak,
            layer.delayed,
            made.places,
            made.ends,
            i,
            j,
        ),
        batch,
    )
    return made


def _read_out(layer: _Ready, seen: _Spikes, out: np.ndarray, first: int) -> None:
    """Write currents of the block's steps to `out [B, T, size]`."""
    parallel(
        lambda i, j: run_readout(
            seen.places,
            seen.ends,
            seen.wide,
            layer.fan,
            layer.rows,
            layer.bias.reshape(-1),
            out,
            first,
            i,
            j,
        ),
        len(out),
    )


def _add_counts(total: np.ndarray, train: _Spikes) -> None:
    for count, found, ends in zip(total, train.places, train.ends, strict=True):
        count += np.bincount(found[: ends[-1]], minlength=len(count))


def _prepare(chain: Chain) -> tuple[_Ready, ...]:
    """Layers of neurons and the readout, each with the synapse that leads to it."""
    ready = [_Ready(chain.shape, **_neurons(chain.layers[0].neurons, chain.shape))]
    for i, (before, shape) in enumerate(pairwise(chain.shapes)):
        layer, last = chain.layers[i], i == len(chain.layers) - 1
        fan, rows = fan_of(layer, before)
        bias = _NONE
        if layer.bias is not None:
            bias = _flat(layer.bias.view(-1, *[1] * (len(shape) - 1)), shape)
        elif last:
            bias = np.zeros(places(shape), np.float32)
        options = {} if last else _neurons(chain.layers[i + 1].neurons, shape)
        ready.append(_Ready(shape, fan, rows, bias.reshape(1, 1, -1), **options))
    return tuple(ready)


def _neurons(neurons: Neurons, shape: tuple[int, ...]) -> dict:
    """Thresholds, limits and leak. Places that fill up are never at their limit."""
    if neurons.threshold.numel() == 1 and shape[0] % GROUP == 0:
        threshold = np.full(GROUP, neurons.threshold.item(), np.float32)
        limit = threshold
    else:
        threshold = _flat(neurons.threshold, shape)
        limit = _flat(neurons.threshold, shape, np.inf)
    if isinstance(neurons.comparison, Above):
        limit = np.nextafter(limit, np.float32(np.inf))
    return {
        "threshold": threshold,
        "limit": limit,
        "leak": np.float32(neurons.leak),
        "delayed": isinstance(neurons.order, Delayed),
    }


def _flat(values: Tensor, shape: tuple[int, ...], fill: float = 0.0) -> np.ndarray:
    """Numbers that broadcast to `shape` as membranes lie: float32 `[size]`."""
    return _last(values.expand(shape)[None], 1, fill).reshape(-1)


def _own(membrane: Tensor) -> Tensor:
    """One example where all are the same."""
    return membrane[:1] if len(membrane) > 1 and membrane.stride(0) == 0 else membrane


def _last(values: Tensor, lead: int, fill: float = 0.0) -> np.ndarray:
    """`[*lead, C, ...]` as `[*lead, ..., padded(C)]`; memory that lies so already is not copied."""
    channels = values.shape[lead]
    turned = values.detach().movedim(lead, -1)
    if padded(channels) > channels:
        turned = torch.nn.functional.pad(turned, (0, padded(channels) - channels), value=fill)
    return turned.contiguous().numpy()


def _first(values: np.ndarray, shape: tuple[int, ...], lead: int = 1) -> Tensor:
    """`[*lead, size]` as a view `[*lead, *shape]`."""
    found = torch.from_numpy(values).view(*values.shape[:lead], *shape[1:], padded(shape[0]))
    return found[..., : shape[0]].movedim(-1, lead)
