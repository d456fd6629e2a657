"""Maps of spikes as rows: what every output position sees, and the ways back.

A row is one output position of one frame, a frame is one example at one time step. A row's inputs
are in the order (tap, channel), 64 to a word without gaps: rows of a convolution are then rows of
a fully connected layer. Oracle: tests/ops/test_synapse_maps.py.
"""

import numpy as np

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import (
    differs,
    get,
    load_floats,
    popcount_word,
    put,
    splat_float,
    store,
    trailing_zeros,
    transpose_tile,
)
from bayesnn_spike.ops._threads import parallel
from bayesnn_spike.ops.bits import words_for
from bayesnn_spike.ops.synapse.lists import seen_from

_U64, _F32 = np.uint64, np.float32


@jit
def _pack(x, words, active, binary, start, stop):
    """Frames start to stop of x `[F, C, P]` into words `[F, P, W]`: what is not 0."""
    channels, places, per = x.shape[1], x.shape[2], words.shape[2]
    flat, out = x.reshape(-1), words.reshape(-1)
    zero, one = splat_float(_F32(0)), splat_float(_F32(1))
    for f in range(start, stop):
        bad, total = _U64(0), 0
        for i in range(f * places * per, (f + 1) * places * per):
            put(out, i, _U64(0))
        for c in range(channels):
            bit, at = _U64(1) << _U64(c & 63), (f * channels + c) * places
            to = f * places * per + (c >> 6)
            done = places // 16 * 16
            for p in range(0, done, 16):
                values = load_floats(flat, at + p)
                bits = differs(values, zero)
                bad |= bits & differs(values, one)
                total += popcount_word(bits)
                while bits != _U64(0):
                    q = to + (p + trailing_zeros(bits)) * per
                    put(out, q, get(out, q) | bit)
                    bits &= bits - _U64(1)
            for p in range(done, places):
                value = flat[at + p]
                if value != 0:
                    bad |= _U64(value != 1)
                    total += 1
                    out[to + p * per] |= bit
        active[f], binary[f] = total, bad == _U64(0)


def pack_maps(x: np.ndarray) -> tuple[np.ndarray, int, bool]:
    """Pack the channels of maps, float32 `[F, C, P]`.

    Returns:
        Words uint64 `[F, P, ceil(C / 64)]` of what is not 0, how many that are, and whether all of
        them are 1.
    """
    frames, channels, places = x.shape
    words = np.empty((frames, places, words_for(channels)), _U64)
    active, binary = np.empty(frames, np.int64), np.empty(frames, np.bool_)
    parallel(lambda i, j: _pack(x, words, active, binary, i, j), frames)
    return words, int(active.sum()), bool(binary.all())


@jit
def windows(x, geometry, channels, out, start, stop):
    """Put together what every position sees: x `[F, P, W]` to rows out `[F, P', W']`."""
    places = np.empty(2 * geometry.kernel_height * geometry.kernel_width, np.int64)
    for p in range(out.shape[1]):
        # With channels = size = 1 a shift is the tap.
        seen = seen_from(p, geometry, 1, 1, places)
        for f in range(start, stop):
            row = out[f, p]
            for w in range(row.size):
                row[w] = _U64(0)
            for i in range(seen):
                place, first = places[2 * i], places[2 * i + 1] * channels
                for w in range(x.shape[2]):
                    word, at = x[f, place, w], first + 64 * w
                    shift = _U64(at & 63)
                    row[at >> 6] |= word << shift
                    rest = word >> (_U64(64) - shift) if shift != _U64(0) else _U64(0)
                    if rest != _U64(0):
                        row[(at >> 6) + 1] |= rest


@jit
def _turn(source, at, rows, columns, target, to):
    """The matrix `[rows, columns]` at source[at:], turned, to target[to:]."""
    for r in range(0, rows // 8 * 8, 8):
        for c in range(0, columns // 8 * 8, 8):
            transpose_tile(source, at + r * columns + c, columns, target, to + c * rows + r, rows)
    for r in range(rows // 8 * 8, rows):
        for c in range(columns):
            target[to + c * rows + r] = source[at + r * columns + c]
    for c in range(columns // 8 * 8, columns):
        for r in range(rows // 8 * 8):
            target[to + c * rows + r] = source[at + r * columns + c]


@jit
def to_maps(rows, offset, scale, out, start, stop):
    """Frames start to stop of rows `[F, P, M]`: scale * (rows + offset[m]) to out `[F, M, P]`."""
    positions, outputs = rows.shape[1], rows.shape[2]
    source, target = rows.reshape(-1), out.reshape(-1)
    for f in range(start, stop):
        at = f * positions * outputs
        _turn(source, at, positions, outputs, target, at)
        for m in range(outputs):
            row, more = out[f, m], offset[m]
            for p in range(positions):
                row[p] = (row[p] + more) * scale


@jit
def to_rows(maps, out, start, stop):
    """Frames start to stop of maps `[F, M, P]` to out `[F, P, M]`."""
    outputs, positions = maps.shape[1], maps.shape[2]
    source, target = maps.reshape(-1), out.reshape(-1)
    for f in range(start, stop):
        at = f * positions * outputs
        _turn(source, at, outputs, positions, target, at)


@jit
def fold(rows, geometry, out, start, stop):
    """Add up, for every input, what the windows that see it hold of it.

    Frames start to stop of rows `[F, P', taps C]` to out `[F, C, P]`.
    """
    channels, inputs = out.shape[1], rows.shape[2]
    positions = geometry.height * geometry.width
    source, target = rows.reshape(-1), out.reshape(-1)
    places = np.empty(2 * geometry.kernel_height * geometry.kernel_width, np.int64)
    sums = np.empty(positions * channels, np.float32)
    done = channels // 16 * 16
    for f in range(start, stop):
        sums[:] = _F32(0)
        for p in range(rows.shape[1]):
            seen = seen_from(p, geometry, 1, 1, places)
            at = (f * rows.shape[1] + p) * inputs
            for i in range(seen):
                to, first = places[2 * i] * channels, at + places[2 * i + 1] * channels
                for c in range(0, done, 16):
                    v = load_floats(sums, to + c) + load_floats(source, first + c)
                    store(sums, to + c, v)
                for c in range(done, channels):
                    sums[to + c] += source[first + c]
        _turn(sums, 0, positions, channels, target, f * positions * channels)
