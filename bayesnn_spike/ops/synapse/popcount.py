"""The dense form of packed synapses: and, then count ones, for inputs that are mostly active.

A vector holds the same 64 inputs of several outputs, so nothing is summed across a vector. Where
the machine has no population count of vectors, eight words go through a tree of carry-save adders
to one count. Blocks of rows keep the spikes in the first-level cache while weights stream.
Oracle: tests/ops/test_synapse_popcount.py.
"""

import numpy as np

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import (
    Width,
    get,
    has_vector_popcount,
    load,
    machine_width,
    popcount,
    popcount_word,
    splat_words,
    store,
    zeros,
)
from bayesnn_spike.ops._threads import parallel
from bayesnn_spike.ops.synapse.counters import carry_save

_U64, _F32 = np.uint64, np.float32
_WIDTH = machine_width()
# With one instruction for it, counting every word is cheaper than the tree.
_NATIVE = has_vector_popcount()
# Rows of spikes that a thread keeps at hand.
_ROWS = 64
# Words a step of the tree takes: rows are filled up with zeros.
STEP = 8


@jit
def _overlap(width, lanes, weights, w_at, x, x_at, words):
    """Ones that words of x share with the same words of `lanes` outputs, a count an output."""
    total = zeros(width)
    if _NATIVE:
        for w in range(words):
            both = load(width, weights, w_at + w * lanes) & splat_words(width, get(x, x_at + w))
            total = total + popcount(both)
        return total
    ones, twos, fours = zeros(width), zeros(width), zeros(width)
    for w in range(0, words, 8):
        i, j = w_at + w * lanes, x_at + w
        a = load(width, weights, i) & splat_words(width, get(x, j))
        b = load(width, weights, i + lanes) & splat_words(width, get(x, j + 1))
        two_a, ones = carry_save(ones, a, b)
        a = load(width, weights, i + 2 * lanes) & splat_words(width, get(x, j + 2))
        b = load(width, weights, i + 3 * lanes) & splat_words(width, get(x, j + 3))
        two_b, ones = carry_save(ones, a, b)
        four_a, twos = carry_save(twos, two_a, two_b)
        a = load(width, weights, i + 4 * lanes) & splat_words(width, get(x, j + 4))
        b = load(width, weights, i + 5 * lanes) & splat_words(width, get(x, j + 5))
        two_a, ones = carry_save(ones, a, b)
        a = load(width, weights, i + 6 * lanes) & splat_words(width, get(x, j + 6))
        b = load(width, weights, i + 7 * lanes) & splat_words(width, get(x, j + 7))
        two_b, ones = carry_save(ones, a, b)
        four_b, twos = carry_save(twos, two_a, two_b)
        eights, fours = carry_save(fours, four_a, four_b)
        total = total + popcount(eights)
    total = (total + total) + popcount(fours)
    total = (total + total) + popcount(twos)
    return (total + total) + popcount(ones)


@jit
def _multiply(width, lanes, x, active, weights, bias, out, start, stop):
    """out `[K, R, M]` from x `[1 or K, R, W]` and weights `[K, MB, W, lanes]`.

    Units of work are (k, block of rows); active `[1 or K, R]` is the number of spikes of a row.
    """
    rows, words = x.shape[1], x.shape[2]
    outputs, blocks = out.shape[2], weights.shape[1]
    per = (rows + _ROWS - 1) // _ROWS
    flat_w, flat_x = weights.reshape(-1), x.reshape(-1)
    found = np.empty(lanes, np.uint64)
    for index in range(start, stop):
        k, first = index // per, index % per * _ROWS
        kx = k % x.shape[0]
        for block in range(blocks):
            w_at = (k * blocks + block) * words * lanes
            some = min(lanes, outputs - block * lanes)
            for r in range(first, min(first + _ROWS, rows)):
                x_at = (kx * rows + r) * words
                store(found, 0, _overlap(width, lanes, flat_w, w_at, flat_x, x_at, words))
                n = active[kx, r]
                for j in range(some):
                    m = block * lanes + j
                    out[k, r, m] = _F32(2 * np.int64(found[j]) - n) + bias[k, m]


@jit
def _interleave(words, out, start, stop):
    """Words `[K, M, W]` into out `[K, MB, W', lanes]`, zeros where there is nothing."""
    blocks, lanes = out.shape[1], out.shape[3]
    for index in range(start, stop):
        k, block = index // blocks, index % blocks
        for w in range(out.shape[2]):
            for j in range(lanes):
                m = block * lanes + j
                inside = m < words.shape[1] and w < words.shape[2]
                out[k, block, w, j] = words[k, m, w] if inside else _U64(0)


@jit
def count_active(x, out, start, stop):
    """Ones of rows start to stop of x `[R, W]` into out `[R]`."""
    for r in range(start, stop):
        total = 0
        for w in range(x.shape[1]):
            total += popcount_word(x[r, w])
        out[r] = total


def multiply(
    x: np.ndarray, active: np.ndarray, words: np.ndarray, bias: np.ndarray, width: Width = _WIDTH
) -> np.ndarray:
    """Multiply packed spikes with packed signs.

    Args:
        x: uint64 `[1 or K, R, W]`.
        active: int64 `[1 or K, R]`, ones of every row.
        words: uint64 `[K, M, W]`.
        bias: float32 `[K, M]`.
        width: of the vectors.

    Returns:
        float32 `[K, R, M]`.
    """
    draws, outputs, inner = words.shape
    lanes, steps = width.count, -(-inner // STEP) * STEP
    weights = np.empty((draws, -(-outputs // lanes), steps, lanes), _U64)
    parallel(lambda i, j: _interleave(words, weights, i, j), draws * weights.shape[1], least=8)
    padded = np.zeros((*x.shape[:2], steps), _U64)
    padded[..., :inner] = x
    out = np.empty((draws, x.shape[1], outputs), _F32)
    parallel(
        lambda i, j: _multiply(width, lanes, padded, active, weights, bias, out, i, j),
        draws * -(-x.shape[1] // _ROWS),
    )
    return out
