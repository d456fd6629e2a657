"""A convolution of sparse spikes: every output position adds the rows of weights of what it sees.

A unit of work is one frame, or some small ones, from bits to maps. Positions are taken in groups
whose lists and sums stay in the nearest cache; 64 outputs are summed in registers, taps, then
channels, ascending: the sums do not depend on the number of threads. Oracle:
tests/ops/test_synapse_conv_gather.py.
"""

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import get, load_floats, splat_float, store, transpose_tile
from bayesnn_spike.ops._threads import parallel
from bayesnn_spike.ops.synapse.conv_lists import (
    LANES,
    QUARTERS,
    join,
    list_frame,
    places_seen,
    room,
    values_of_quarters,
)
from bayesnn_spike.ops.synapse.lists import SLACK, Geometry

_F32 = np.float32
# A group ends with so many positions (a multiple of eight) or entries; smaller frames go together.
_GROUP = (128, 4096)


@jit
def _sum_ones(weights, base, entries, start, stop, sums, to):
    """Add the rows of weights that a list of spikes names, 64 outputs."""
    a, b = splat_float(_F32(0)), splat_float(_F32(0))
    c, d = splat_float(_F32(0)), splat_float(_F32(0))
    for e in range(start, stop):
        p = base + np.int64(get(entries, e))
        a, b = a + load_floats(weights, p), b + load_floats(weights, p + 16)
        c, d = c + load_floats(weights, p + 32), d + load_floats(weights, p + 48)
    store(sums, to, a)
    store(sums, to + 16, b)
    store(sums, to + 32, c)
    store(sums, to + 48, d)


@jit
def _sum_quarters(weights, base, entries, values, start, stop, sums, to):
    """As `_sum_ones`, each row times its value."""
    a, b = splat_float(_F32(0)), splat_float(_F32(0))
    c, d = splat_float(_F32(0)), splat_float(_F32(0))
    for e in range(start, stop):
        entry = np.int64(get(entries, e))
        p, v = base + (entry & ~QUARTERS), splat_float(get(values, entry & QUARTERS))
        a, b = a + v * load_floats(weights, p), b + v * load_floats(weights, p + 16)
        c, d = c + v * load_floats(weights, p + 32), d + v * load_floats(weights, p + 48)
    store(sums, to, a)
    store(sums, to + 16, b)
    store(sums, to + 32, c)
    store(sums, to + 48, d)


@jit
def _sum_some(weights, base, entries, planes, values, start, stop, sums, to):
    """As the above, 16 outputs."""
    a = splat_float(_F32(0))
    if planes == 3:
        for e in range(start, stop):
            entry = np.int64(get(entries, e))
            v = splat_float(get(values, entry & QUARTERS))
            a = a + v * load_floats(weights, base + (entry & ~QUARTERS))
    else:
        for e in range(start, stop):
            a = a + load_floats(weights, base + np.int64(get(entries, e)))
    store(sums, to, a)


@jit
def _write(sums, first, rows, some, out, at, positions):
    """sums[first:] `[rows, 64]` of some outputs to maps: output m at out[at + m * positions:]."""
    done, whole = rows // 8 * 8, some // 8 * 8
    for m in range(0, whole, 8):
        for r in range(0, done, 8):
            source, to = first + LANES * r + m, at + m * positions + r
            transpose_tile(sums, source, LANES, out, to, positions)
    for m in range(some):
        for r in range(done if m < whole else 0, rows):
            out[at + m * positions + r] = sums[first + LANES * r + m]


@jit
def _forward(words, planes, geometry, channels, weights, group, out, start, stop):
    """words `[D F, P, planes W]`, weights `[K, NB, taps C, 64]`, out `[K, F, O, P']`.

    Units are (d, group[0] frames); D is K, or 1 where draws share the spikes. A group has at most
    group[1] positions, or ends with group[2] entries.
    """
    together, most, enough = group
    draws, blocks, size = weights.shape[0], weights.shape[1], weights.shape[2] * LANES
    frames, outputs, positions = out.shape[1], out.shape[2], out.shape[3]
    own, inputs, chunks = len(words) > frames, words.shape[1], (frames + together - 1) // together
    flat, target = weights.reshape(-1), out.reshape(-1)
    seen, found = places_seen(geometry, channels)
    starts = np.empty(together * inputs + 1, np.int32)
    active = np.empty(room(geometry, channels, together), np.int32)
    entries = np.empty(enough + 8 * weights.shape[2] + SLACK, np.int32)
    values = values_of_quarters()
    ends, sums = np.empty(most + 1, np.int32), np.empty(most * LANES, np.float32)
    ends[0] = 0
    for index in range(start, stop):
        d, f = index // chunks, index % chunks * together
        few, at = min(together, frames - f), 0
        for q in range(few):
            at = list_frame(words, d * frames + f + q, planes, starts, q * inputs, active, at)
        first = 0
        while first < few * positions:
            at, rows = 0, 0
            while first + rows < few * positions and (rows % 8 or (rows < most and at < enough)):
                q, p = (first + rows) // positions, (first + rows) % positions
                at = join(starts, q * inputs, active, seen[p], found[p], entries, at)
                rows += 1
                ends[rows] = at
            for k in range(d if own else 0, d + 1 if own else draws):
                for block in range(blocks):
                    base, m = (k * blocks + block) * size, LANES * block
                    some = min(LANES, outputs - m)
                    for r in range(rows):
                        e, last, to = np.int64(ends[r]), np.int64(ends[r + 1]), LANES * r
                        if some < LANES:
                            for j in range(0, some, 16):
                                _sum_some(
                                    flat, base + j, entries, planes, values, e, last, sums, to + j
                                )
                        elif planes == 3:
                            _sum_quarters(flat, base, entries, values, e, last, sums, to)
                        else:
                            _sum_ones(flat, base, entries, e, last, sums, to)
                    r = 0
                    while r < rows:
                        q, p = (first + r) // positions, (first + r) % positions
                        count = min(positions - p, rows - r)
                        to = ((k * frames + f + q) * outputs + m) * positions + p
                        _write(sums, LANES * r, count, some, target, to, positions)
                        r += count
            first += rows


def conv_gather(
    words: np.ndarray,
    planes: int,
    geometry: Geometry,
    channels: int,
    weights: np.ndarray,
    out: np.ndarray,
) -> None:
    """Sum the weights of the active inputs that every output position sees.

    Args:
        words: uint64 `[D F, P, planes ceil(C / 64)]`; D is K, or 1 where draws share the spikes.
        planes: 1, of spikes, or 3, of quarters.
        geometry: the convolution.
        channels: C.
        weights: float32 `[K, ceil(O / 64), taps C, 64]`, filled up with zeros (`in_blocks`).
        out: float32 `[K, F, O, P']`, contiguous, written.
    """
    frames, most = out.shape[1], _GROUP[0]
    together = max(1, min(most // max(geometry.positions, 1), frames))
    args = (words, planes, geometry, channels, weights, (together, *_GROUP), out)
    units = len(words) // max(frames, 1) * -(-frames // together)
    parallel(lambda i, j: _forward(*args, i, j), units)


def in_blocks(weight: Tensor) -> np.ndarray:
    """Kernels `[K, O, C, h, w]` in blocks of 64 outputs that lie together, zeros behind the last.

    Returns:
        float32 `[K, ceil(O / 64), taps C, 64]`.
    """
    draws, outputs, channels = weight.shape[:3]
    wide = F.pad(weight.detach(), (0, 0, 0, 0, 0, 0, 0, -outputs % LANES))
    blocks = wide.reshape(draws, wide.shape[1] // LANES, LANES, channels, -1)
    return blocks.permute(0, 1, 4, 3, 2).contiguous().flatten(2, 3).numpy()
