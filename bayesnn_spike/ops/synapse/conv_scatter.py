"""The gradient of a convolution's weights, event by event: each one adds the cotangents it meets.

    dL/dw[o, tap, c] = sum over the active inputs (f, p, c) of x g[f, o, what sees p by the tap]

A unit of work is 64 outputs of a group of frames: from bits and maps to a sum of its own. In a
frame, or some small ones, the events of one channel go by together, so that sums stay in
registers. Groups follow from
shapes alone and are added in ascending order, so the number of threads changes nothing. Oracle:
tests/ops/test_synapse_conv_scatter.py.
"""

import numpy as np

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import get, load_floats, put, splat_float, store, transpose_tile
from bayesnn_spike.ops._threads import parallel
from bayesnn_spike.ops.synapse.conv_lists import (
    LANES,
    QUARTERS,
    list_frame,
    room,
    rows_seeing,
    values_of_quarters,
)
from bayesnn_spike.ops.synapse.lists import Geometry

_F32, _I32 = np.float32, np.int32
# Units of work that keep every thread busy, and frames that are worth a sum of their own.
_UNITS, _FRAMES = 16, 8
# Positions of small frames that are taken together.
_POSITIONS = 256
# Outputs whose cotangents of a frame stay in the nearest cache: two vectors.
_HALF = 32


@jit
def _to_rows(maps, at, some, positions, rows, to):
    """Maps of at most 32 outputs, maps[at:] `[some, P']`, to rows[to:] `[P', 32]`."""
    done, whole = positions // 8 * 8, some // 8 * 8
    for m in range(0, whole, 8):
        for p in range(0, done, 8):
            first = at + m * positions + p
            transpose_tile(maps, first, positions, rows, to + _HALF * p + m, _HALF)
    for m in range(some):
        for p in range(done if m < whole else 0, positions):
            rows[to + _HALF * p + m] = maps[at + m * positions + p]


@jit
def _by_channel(starts, places, entries, heads, events):
    """Sort the entries of all places by channel, in each by place: 8 times the place, and quarters.

    `heads` int32 `[C + 1]` gets where the events of a channel begin.
    """
    count, channels = np.int64(starts[places]), heads.size - 1
    for c in range(channels + 1):
        put(heads, c, _I32(0))
    for e in range(count):
        c = np.int64(get(entries, e)) // LANES
        put(heads, c, get(heads, c) + _I32(1))
    total = 0
    for c in range(channels + 1):
        total += np.int64(get(heads, c))
        put(heads, c, _I32(total))
    # From the last to the first, so that the end of a channel becomes its beginning.
    for back in range(places):
        p = places - 1 - back
        for e in range(np.int64(starts[p + 1]) - 1, np.int64(starts[p]) - 1, -1):
            entry = np.int64(get(entries, e))
            c = entry // LANES
            to = get(heads, c) - _I32(1)
            put(heads, c, to)
            put(events, np.int64(to), _I32(8 * p + (entry & QUARTERS)))


@jit
def _collect(rows, at, seeing, inputs, events, start, stop, planes, values, out, to, apart):
    """Add the rows that the events of a channel meet to 32 sums of every tap."""
    for tap in range(seeing.size // inputs):
        base, i = tap * inputs, to + tap * apart
        a, b = load_floats(out, i), load_floats(out, i + 16)
        if planes == 3:
            for e in range(start, stop):
                event = np.int64(get(events, e))
                r = at + np.int64(get(seeing, base + (event >> 3)))
                v = splat_float(get(values, event & 7))
                a, b = a + v * load_floats(rows, r), b + v * load_floats(rows, r + 16)
        else:
            for e in range(start, stop):
                r = at + np.int64(get(seeing, base + (np.int64(get(events, e)) >> 3)))
                a, b = a + load_floats(rows, r), b + load_floats(rows, r + 16)
        store(out, i, a)
        store(out, i + 16, b)


@jit
def _backward(words, planes, geometry, channels, grad, together, sums, start, stop):
    """words `[D F, P, planes W]`, grad `[K, F, O, P']`, sums `[G, K, NB, taps C, 64]`.

    Units are (g, k, block), `together` frames at a time. D is K, or 1 where draws share the spikes.
    """
    groups, draws, blocks = sums.shape[:3]
    frames, outputs, positions = grad.shape[1:]
    own, size, inputs = len(words) > frames, sums.shape[3] * LANES, words.shape[1]
    flat, out, values = grad.reshape(-1), sums.reshape(-1), values_of_quarters()
    # Who sees a place by a tap, as the place of a row; nobody is the row of zeros behind the last.
    seeing = (rows_seeing(geometry, together) * _I32(_HALF)).reshape(-1)
    half = (together * positions + 1) * _HALF
    rows = np.zeros(2 * half, np.float32)
    starts, heads = np.empty(together * inputs + 1, np.int32), np.empty(channels + 1, np.int32)
    entries = np.empty(room(geometry, channels, together), np.int32)
    events = np.empty(entries.size, np.int32)
    for unit in range(start, stop):
        group, k, block = unit // (draws * blocks), unit // blocks % draws, unit % blocks
        m, base = LANES * block, unit * size
        some = min(LANES, outputs - m)
        out[base : base + size] = _F32(0)
        rows[:] = _F32(0)
        after = frames * (group + 1) // groups
        for f in range(frames * group // groups, after, together):
            few, count, before = min(together, after - f), 0, k * frames + f
            for q in range(few):
                d = before + q if own else f + q
                count = list_frame(words, d, planes, starts, q * inputs, entries, count)
            if count == 0:
                continue
            _by_channel(starts, few * inputs, entries, heads, events)
            for h in range((some + _HALF - 1) // _HALF):
                here, first = min(_HALF, some - _HALF * h), m + _HALF * h
                for q in range(few):
                    at = ((before + q) * outputs + first) * positions
                    to = h * half + q * positions * _HALF
                    _to_rows(flat, at, here, positions, rows, to)
                for c in range(channels):
                    e, last = np.int64(heads[c]), np.int64(heads[c + 1])
                    if e < last:
                        to, apart = base + c * LANES + _HALF * h, channels * LANES
                        _collect(
                            rows, h * half, seeing, together * inputs, events, e, last, planes,
                            values,
                            out, to, apart,
                        )  # fmt: skip


def conv_scatter(
    words: np.ndarray, planes: int, geometry: Geometry, channels: int, grad: np.ndarray
) -> np.ndarray:
    """Sum the cotangents that the active inputs meet.

    Args:
        words: uint64 `[D F, P, planes ceil(C / 64)]`; D is K, or 1 where draws share the spikes.
        planes: 1, of spikes, or 3, of quarters.
        geometry: the convolution.
        channels: C.
        grad: float32 `[K, F, O, P']`, contiguous.

    Returns:
        float32 `[K, O, taps, C]`.
    """
    draws, frames, outputs, _ = grad.shape
    blocks = -(-outputs // LANES)
    places = max(geometry.positions, geometry.height * geometry.width, 1)
    together = max(1, min(_POSITIONS // places, frames))
    groups = min(-(-_UNITS // max(draws * blocks, 1)), frames // max(_FRAMES, together))
    groups = max(1, groups)
    sums = np.empty((groups, draws, blocks, geometry.taps * channels, LANES), _F32)
    units = groups * draws * blocks
    args = (words, planes, geometry, channels, grad, together, sums)
    parallel(lambda i, j: _backward(*args, i, j), units)
    total = sums[0]
    for part in sums[1:]:
        total += part
    turned = total.transpose(0, 1, 3, 2).reshape(draws, blocks * LANES, geometry.taps, channels)
    return turned[:, :outputs]
