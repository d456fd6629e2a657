"""From signs and spikes as values to the arrays that the compiled kernels take.

Draws go through in chunks, so that signs take the same memory whatever K is.
Oracle: tests/ops/test_synapse_signed.py, tests/ops/test_sampled.py.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops.draw.signs import Signs, rows_of
from bayesnn_spike.ops.spikes import PackedSpikes
from bayesnn_spike.ops.synapse.engine import Layer
from bayesnn_spike.ops.synapse.lists import Geometry
from bayesnn_spike.ops.synapse.pack import pack_spikes
from bayesnn_spike.ops.synapse.rows import rows_by_input
from bayesnn_spike.ops.synapse.shapes import window_of

# Bytes of packed signs held at once, in both orders.
SIGN_BYTES = 32 * 2**20


def geometry_of(
    spikes: Tensor | PackedSpikes,
    signs: Signs,
    stride: int | tuple[int, int],
    padding: int | tuple[int, int],
) -> Geometry:
    """The convolution of these spikes and signs, as the kernels see it."""
    return Geometry(*window_of(spikes, signs, stride, padding))


def spike_words(spikes: Tensor | PackedSpikes, feature_dims: int) -> np.ndarray:
    """Words uint64 `[1 or K, B, P, T, W]` of spikes that are zeros and ones.

    What the engine fires lies in this order, so that nothing is copied from layer to layer.
    """
    packed = pack_spikes(spikes, feature_dims)
    if packed is None:
        raise ValueError("spikes must be 0 and 1 to be packed")
    words = packed.words
    words = words.flatten(-3, -2) if feature_dims == 3 else words.unsqueeze(-2)
    words = words if words.ndim == 5 else words[None]
    return words.permute(0, 2, 3, 1, 4).contiguous().numpy().view(np.uint64)


def chunks(signs: Signs) -> Iterator[tuple[int, Signs]]:
    """(first, some of the draws) whose signs fit the bound together; one draw at least."""
    outputs, inputs = rows_of(signs.size)
    size = 2 * (outputs * inputs // 8 + 1)
    count = max(1, SIGN_BYTES // size)
    for first in range(0, signs.draws, count):
        yield first, signs.narrow(first, min(count, signs.draws - first))


def part_of(bias: Tensor | None, first: int, count: int) -> Tensor | None:
    """The part of a bias `[K, M]` that belongs to some draws; `[M]` belongs to all."""
    return bias if bias is None or bias.ndim == 1 else bias.narrow(0, first, count)


def layer_of(signs: Signs, bias: Tensor | None, scale: float | Tensor, together: bool) -> Layer:
    """Draw, and sort by input; `together` puts all draws side by side (they share their spikes)."""
    outputs, inputs = rows_of(signs.size)
    words = signs.packed().words.contiguous().numpy().view(np.uint64)
    taps = math.prod(signs.size[2:])
    rows = rows_by_input(words, inputs, together, taps)
    draws = signs.draws if together else 1
    lanes = rows.shape[1] * rows.shape[3] * 64
    offset = 0.0 if bias is None else bias
    return Layer(
        rows,
        _by_lane(scale, len(rows), draws, outputs, lanes),
        _by_lane(offset, len(rows), draws, outputs, lanes),
        outputs,
        draws,
    )


def _by_lane(
    value: float | Tensor, groups: int, draws: int, outputs: int, lanes: int
) -> np.ndarray:
    """A number, `[M]` or `[K, M]` spread over lanes, float32 `[G, lanes]`; 0 in empty lanes."""
    per = 64 * -(-outputs // 64)
    spread = np.zeros((groups, draws, per), np.float32)
    if isinstance(value, Tensor):
        value = value.detach().to(torch.float32).numpy()
        value = value.reshape(groups, draws, outputs) if value.ndim == 2 else value
    spread[..., :outputs] = value
    out = np.zeros((groups, lanes), np.float32)
    out[:, : draws * per] = spread.reshape(groups, draws * per)
    return out
