"""From signs packed by output to rows of signs by input: what an event adds to the counters.

Outputs ("lanes") go in groups of 128, a group is two words of a row, a block is some words that one
pass over a list of events covers. Bit 8 b + r of a group is output 16 r + b: in that order eight
counters, a plane a bit, become 128 bytes in natural order by swaps inside bytes alone.
Row N of every block is zero; lists of events are filled up with it.
Oracle: tests/ops/test_synapse_rows.py.
"""

import numpy as np

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import Width, load, splat_words, store, transpose_bytes
from bayesnn_spike.ops._threads import parallel

_U64 = np.uint64
_ALL = Width(8)


def block_words(lane_words: int) -> int:
    """Return how many words a block has: as many as there are, at most 8, in powers of two."""
    return 2 if lane_words <= 2 else 4 if lane_words <= 4 else 8


@jit
def swap(a, b, shift, mask):
    """Swap the bits of a under `mask << shift` with those of b under `mask`."""
    t = ((a >> shift) ^ b) & mask
    return a ^ (t << shift), b ^ t


@jit
def transpose_planes(width, a, b, c, d, e, f, g, h):
    """Transpose the 8 x 8 bits of every byte: bit p of byte i of result q was bit q of plane p."""
    mask = splat_words(width, _U64(0x0F0F0F0F0F0F0F0F))
    a, e = swap(a, e, _U64(4), mask)
    b, f = swap(b, f, _U64(4), mask)
    c, g = swap(c, g, _U64(4), mask)
    d, h = swap(d, h, _U64(4), mask)
    mask = splat_words(width, _U64(0x3333333333333333))
    a, c = swap(a, c, _U64(2), mask)
    b, d = swap(b, d, _U64(2), mask)
    e, g = swap(e, g, _U64(2), mask)
    f, h = swap(f, h, _U64(2), mask)
    mask = splat_words(width, _U64(0x5555555555555555))
    a, b = swap(a, b, _U64(1), mask)
    c, d = swap(c, d, _U64(1), mask)
    e, f = swap(e, f, _U64(1), mask)
    g, h = swap(g, h, _U64(1), mask)
    return a, b, c, d, e, f, g, h


@jit
def transpose_square(buffer, out):
    """Transpose 64 x 64 bits: row 8 b + r is buffer[8 r + b], column n out[8 (n % 8) + n // 8]."""
    a, b, c, d, e, f, g, h = transpose_planes(
        _ALL,
        load(_ALL, buffer, 0),
        load(_ALL, buffer, 8),
        load(_ALL, buffer, 16),
        load(_ALL, buffer, 24),
        load(_ALL, buffer, 32),
        load(_ALL, buffer, 40),
        load(_ALL, buffer, 48),
        load(_ALL, buffer, 56),
    )
    store(out, 0, transpose_bytes(a))
    store(out, 8, transpose_bytes(b))
    store(out, 16, transpose_bytes(c))
    store(out, 24, transpose_bytes(d))
    store(out, 32, transpose_bytes(e))
    store(out, 40, transpose_bytes(f))
    store(out, 48, transpose_bytes(g))
    store(out, 56, transpose_bytes(h))


@jit
def _gather(words, lane, lanes, word, buffer):
    """Words of 64 inputs of outputs lane + 16 r + b, b < 8, into buffer `[r, b]`; zero outside."""
    rows = words.shape[1]
    per = (rows + 63) // 64 * 64  # lanes of one draw
    for r in range(8):
        start = lane + 16 * r
        k, m = start // per, start % per
        for b in range(8):
            inside = start < lanes and m + b < rows
            buffer[8 * r + b] = words[k, m + b, word] if inside else _U64(0)


@jit
def _fill(words, draws, inputs, taps, out, start, stop):
    """Groups start to stop of out `[G, NB, N + 1, bw]` from words `[K, M, W]`; K = G * draws."""
    blocks, size = out.shape[1], out.shape[3]
    groups = blocks * (size // 2)
    lanes = draws * ((words.shape[1] + 63) // 64 * 64)
    buffer, mixed = np.empty(64, np.uint64), np.empty(64, np.uint64)
    for index in range(start, stop):
        g, group = index // groups, index % groups
        block, at = group // (size // 2), 2 * (group % (size // 2))
        source = words[g * draws : (g + 1) * draws]
        target = out[g, block]
        target[inputs, at] = _U64(0)
        target[inputs, at + 1] = _U64(0)
        for word in range(words.shape[2]):
            for half in range(2):
                _gather(source, 128 * group + 8 * half, lanes, word, buffer)
                transpose_square(buffer, mixed)
                for j in range(min(64, inputs - 64 * word)):
                    n = 64 * word + j
                    row = n % taps * (inputs // taps) + n // taps
                    target[row, at + half] = mixed[8 * (j % 8) + j // 8]


def rows_by_input(words: np.ndarray, inputs: int, together: bool, taps: int = 1) -> np.ndarray:
    """Turn signs by output into rows by input.

    Args:
        words: uint64 `[K, M, ceil(N / 64)]`.
        inputs: N.
        together: put the outputs of all draws side by side (they read the same spikes).
        taps: of a kernel; input c * taps + i becomes row i * (N / taps) + c.

    Returns:
        uint64 `[G, NB, N + 1, bw]`, with G = 1 if together, else K.
    """
    draws = words.shape[0] if together else 1
    lane_words = draws * -(-words.shape[1] // 64)
    size = block_words(lane_words)
    blocks = -(-lane_words // size)
    groups = 1 if together else words.shape[0]
    out = np.empty((groups, blocks, inputs + 1, size), np.uint64)
    parallel(
        lambda i, j: _fill(words, draws, inputs, taps, out, i, j),
        groups * blocks * (size // 2),
        least=1,
    )
    return out
