"""`sampled` on the CPU: bits drawn, bits added, bits fired; nothing of size K x M x N is a float.

Oracle: tests/ops/test_sampled.py.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops.draw.signs import Signs
from bayesnn_spike.ops.fire.surrogate import AtOrAbove, Comparison, Reset, Subtract
from bayesnn_spike.ops.spikes import PackedSpikes
from bayesnn_spike.ops.synapse.engine import Neuron, Result, run
from bayesnn_spike.ops.synapse.lists import Geometry
from bayesnn_spike.ops.synapse.packed import chunks, geometry_of, layer_of, part_of, spike_words

_F32 = np.float32
# Above(): x > 0 in float32 is x >= the smallest positive number. Where denormals are flushed that
# one is zero; a difference to a threshold that is not tiny is never denormal, so the next one does.
_SMALLEST, _NORMAL, _TINY = _F32(2.0**-149), _F32(2.0**-126), 2.0**-100


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
    words = spike_words(spikes, 1)
    found, v = _fire(words, signs, bias, state, Geometry(), scale, _neuron(**neuron))
    outputs = signs.size[0]
    return PackedSpikes(found[..., 0, :], (outputs,)), v[:, :, 0, :outputs]


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
    words = spike_words(spikes, 3)
    found, v = _fire(words, signs, bias, state, geometry, scale, _neuron(**neuron))
    size = (geometry.out_height, geometry.out_width)
    fired = PackedSpikes(found.unflatten(3, size), (signs.size[0], *size))
    return fired, v[..., : signs.size[0]].unflatten(2, size).movedim(-1, 2)


def _fire(
    x: np.ndarray,
    signs: Signs,
    bias: Tensor | None,
    state: Tensor | None,
    geometry: Geometry,
    scale: float | Tensor,
    neuron: Neuron,
) -> tuple[Tensor, Tensor]:
    """Spikes `[K, T, B, P, Mw]` (words, in the engine's order) and membranes `[K, B, P, 64 Mw]`."""
    outputs, draws = signs.size[0], signs.draws
    words = -(-outputs // 64)
    _, batch, _, steps, _ = x.shape
    found = np.empty((draws, batch, geometry.positions, steps, words), np.uint64)
    v = np.zeros((draws, batch, geometry.positions, 64 * words), _F32)
    if state is not None:
        last = state.detach().reshape(draws, batch, outputs, geometry.positions).movedim(2, 3)
        v[..., :outputs] = last.numpy()
    nothing = np.empty((0,) * 5, _F32)
    for first, some in chunks(signs):
        here = slice(first, first + some.draws)
        layer = layer_of(some, part_of(bias, first, some.draws), scale, len(x) == 1)
        out = Result(found[here], v[here], nothing)
        run(x if len(x) == 1 else x[here], geometry, layer, neuron, out)
    spikes = torch.from_numpy(found.view(np.int64)).permute(0, 3, 1, 2, 4)
    return spikes, torch.from_numpy(v)


def _neuron(beta: float, v_threshold: float, reset: Reset, comparison: Comparison) -> Neuron:
    soft = isinstance(reset, Subtract)
    above = _NORMAL if abs(v_threshold) > _TINY else _SMALLEST
    edge = _F32(0) if isinstance(comparison, AtOrAbove) else above
    return Neuron(_F32(beta), _F32(v_threshold), edge, soft, _F32(0.0 if soft else reset.v_reset))
