"""`sampled` on the CPU: bits drawn, bits added, bits fired; nothing of size K x M x N is a float.

Draws go through in chunks, so that signs take the same memory whatever K is.
Oracle: tests/ops/test_sampled.py.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops.draw.signs import Signs, rows_of
from bayesnn_spike.ops.fire.surrogate import AtOrAbove, Comparison, Reset, Subtract
from bayesnn_spike.ops.spikes import PackedSpikes
from bayesnn_spike.ops.synapse.engine import Layer, Neuron, Result, run
from bayesnn_spike.ops.synapse.lists import Geometry
from bayesnn_spike.ops.synapse.pack import pack_spikes
from bayesnn_spike.ops.synapse.rows import rows_by_input
from bayesnn_spike.ops.synapse.shapes import map_after, pair

_F32 = np.float32
# Above(): x > 0 in float32 is x >= the smallest positive number.
_SMALLEST = _F32(2.0**-149)
_IDLE = Neuron(_F32(0), _F32(0), _F32(0), True, _F32(0))
# Bytes of packed signs held at once, in both orders.
_SIGN_BYTES = 32 * 2**20


def sampled_linear(
    spikes: Tensor | PackedSpikes,
    signs: Signs,
    bias: Tensor | None,
    state: Tensor | None,
    *,
    scale: float | Tensor,
    **neuron: Any,
) -> tuple[PackedSpikes, Tensor]:
    """Packed spikes `[K, T, B, M]` and the last membrane `[K, B, M]`."""
    found, v = _fire(spikes, signs, bias, state, Geometry(), scale, neuron, feature_dims=1)
    return PackedSpikes(found[..., 0, :], (signs.size[0],)), v[:, :, 0, : signs.size[0]]


def sampled_conv2d(
    spikes: Tensor | PackedSpikes,
    signs: Signs,
    bias: Tensor | None,
    state: Tensor | None,
    *,
    stride: int | tuple[int, int],
    padding: int | tuple[int, int],
    scale: float | Tensor,
    **neuron: Any,
) -> tuple[PackedSpikes, Tensor]:
    """Packed spikes `[K, T, B, O, H', W']` and the last membrane `[K, B, O, H', W']`."""
    geometry = geometry_of(spikes, signs, stride, padding)
    found, v = _fire(spikes, signs, bias, state, geometry, scale, neuron, feature_dims=3)
    size = (geometry.out_height, geometry.out_width)
    spikes_out = PackedSpikes(found.unflatten(3, size), (signs.size[0], *size))
    return spikes_out, v[..., : signs.size[0]].unflatten(2, size).movedim(-1, 2)


def geometry_of(
    spikes: Tensor | PackedSpikes,
    signs: Signs,
    stride: int | tuple[int, int],
    padding: int | tuple[int, int],
) -> Geometry:
    """The convolution of these spikes and signs, as the kernels see it."""
    before, kernel = tuple(spikes.shape[-2:]), tuple(signs.size[-2:])
    after = map_after(before, kernel, stride, padding)
    return Geometry(*before, *kernel, *pair(stride), *pair(padding), *after)


def currents(
    spikes: Tensor | PackedSpikes,
    signs: Signs,
    bias: Tensor | None,
    geometry: Geometry,
    feature_dims: int,
) -> Tensor:
    """Currents `[K, T, B, P, M]` without a neuron."""
    x = _words(spikes, feature_dims)
    shape = (signs.draws, *x.shape[1:3], geometry.positions, signs.size[0])
    out = np.empty(shape, _F32)
    nothing = (np.empty((0,) * 5, np.uint64), np.empty((0,) * 4, _F32))
    for first, count in _chunks(signs):
        layer = _layer(signs.narrow(first, count), bias_of(bias, first, count), 1.0, len(x) == 1)
        part = x if len(x) == 1 else x[first : first + count]
        run(part, geometry, layer, _IDLE, Result(*nothing, out[first : first + count]))
    return torch.from_numpy(out)


def _fire(
    spikes: Tensor | PackedSpikes,
    signs: Signs,
    bias: Tensor | None,
    state: Tensor | None,
    geometry: Geometry,
    scale: float | Tensor,
    neuron: dict[str, Any],
    feature_dims: int,
) -> tuple[Tensor, Tensor]:
    """Spikes `[K, T, B, P, Mw]` (words) and membranes `[K, B, P, 64 Mw]`."""
    x = _words(spikes, feature_dims)
    outputs = signs.size[0]
    words = -(-outputs // 64)
    _, steps, batch = x.shape[:3]
    found = np.empty((signs.draws, steps, batch, geometry.positions, words), np.uint64)
    v = np.zeros((signs.draws, batch, geometry.positions, 64 * words), _F32)
    if state is not None:
        last = state.detach().reshape(signs.draws, batch, outputs, -1).movedim(2, 3)
        v[..., :outputs] = last.numpy()
    nothing = np.empty((0,) * 5, _F32)
    for first, count in _chunks(signs):
        some = slice(first, first + count)
        layer = _layer(signs.narrow(first, count), bias_of(bias, first, count), scale, len(x) == 1)
        part = x if len(x) == 1 else x[some]
        run(part, geometry, layer, _neuron(**neuron), Result(found[some], v[some], nothing))
    return torch.from_numpy(found.view(np.int64)), torch.from_numpy(v)


def _words(spikes: Tensor | PackedSpikes, feature_dims: int) -> np.ndarray:
    """Words `[1 or K, T, B, P, W]`; the dispatcher has made sure that they are spikes."""
    packed = pack_spikes(spikes, feature_dims)
    assert packed is not None
    words = packed.words
    if feature_dims == 3:
        words = words.flatten(-3, -2)
    else:
        words = words.unsqueeze(-2)
    words = words if words.ndim == 5 else words[None]
    return words.contiguous().numpy().view(np.uint64)


def _layer(signs: Signs, bias: Tensor | None, scale: float | Tensor, together: bool) -> Layer:
    outputs, inputs = rows_of(signs.size)
    words = signs.packed().words.numpy().view(np.uint64)
    rows = rows_by_input(words, inputs, together)
    draws = signs.draws if together else 1
    lanes = rows.shape[1] * rows.shape[3] * 64
    return Layer(
        rows,
        _by_lane(scale, len(rows), draws, outputs, lanes),
        _by_lane(0.0 if bias is None else bias, len(rows), draws, outputs, lanes),
        outputs,
        draws,
    )


def _by_lane(
    value: float | Tensor, groups: int, draws: int, outputs: int, lanes: int
) -> np.ndarray:
    """A number, `[M]` or `[K, M]` spread over lanes, float32 `[G, lanes]`; 0 where there is none."""
    out = np.zeros((groups, lanes), _F32)
    per = 64 * -(-outputs // 64)
    view = out[:, : draws * per].reshape(groups, draws, per)
    if isinstance(value, Tensor):
        value = value.detach().to(torch.float32).numpy()
        value = value.reshape(groups, draws, outputs) if value.ndim == 2 else value
    view[..., :outputs] = value
    out[:, : draws * per] = view.reshape(groups, draws * per)
    return out


def _neuron(beta: float, v_threshold: float, reset: Reset, comparison: Comparison) -> Neuron:
    soft = isinstance(reset, Subtract)
    edge = _F32(0) if isinstance(comparison, AtOrAbove) else _SMALLEST
    return Neuron(_F32(beta), _F32(v_threshold), edge, soft, _F32(0.0 if soft else reset.v_reset))


def bias_of(bias: Tensor | None, first: int, count: int) -> Tensor | None:
    """The part of a bias `[K, M]` that belongs to some draws; `[M]` belongs to all."""
    return bias if bias is None or bias.ndim == 1 else bias.narrow(0, first, count)


def _chunks(signs: Signs) -> list[tuple[int, int]]:
    """(first, count) of draws whose signs fit the bound together; one draw at least."""
    outputs, inputs = rows_of(signs.size)
    size = 2 * (outputs * inputs // 8 + 1)
    count = max(1, min(signs.draws, _SIGN_BYTES // size))
    return [(first, min(count, signs.draws - first)) for first in range(0, signs.draws, count)]
