"""Philox4x32-10 and the comparison with thresholds, compiled with vectors: 64 signs a word.

A lane holds one counter block in the low halves of four 64-bit words, so a round is two 32-bit
multiplications with 64-bit results and no shuffle. What is left in the high halves never counts.
Oracle: tests/ops/test_draw.py.
"""

import numpy as np

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import (
    Width,
    bits_above,
    count_up,
    load,
    multiply_low,
    splat_words,
    store_quads,
    zeros,
)
from bayesnn_spike.ops.draw.limits import fill_limits
from bayesnn_spike.ops.draw.reference import MULTIPLIERS, WEYL

_U64 = np.uint64
_M0, _M1 = (_U64(m) for m in MULTIPLIERS)
_W0, _W1 = (_U64(w) for w in WEYL)
_MASK, _HALF = _U64(0xFFFFFFFF), _U64(32)

# Eight blocks, 32 weights, side by side: enough independent chains to hide a multiplication.
LANES = Width(8)


@jit
def schedule(key0, key1):
    """The keys of ten rounds, each eight times over: `[10, 2, 8]`, flat."""
    keys = np.empty(160, np.uint64)
    k0, k1 = _U64(key0), _U64(key1)
    for r in range(10):
        for lane in range(8):
            keys[16 * r + lane] = k0
            keys[16 * r + 8 + lane] = k1
        k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    return keys


@jit
def _round(width, c0, c1, c2, c3, keys, r):
    p0, p1 = multiply_low(c0, _M0), multiply_low(c2, _M1)
    c0 = (p1 >> _HALF) ^ c1 ^ load(width, keys, 16 * r)
    c2 = (p0 >> _HALF) ^ c3 ^ load(width, keys, 16 * r + 8)
    return c0, p1, c2, p0


@jit
def _rounds(width, block, draw, keys):
    """Four words of blocks `block` to `block + 7` of one draw."""
    c0 = count_up(width, block & _MASK)
    c1 = splat_words(width, block >> _HALF)
    c2 = splat_words(width, draw)
    c3 = zeros(width)
    # Written out: LLVM leaves a loop over vectors in memory.
    c0, c1, c2, c3 = _round(width, c0, c1, c2, c3, keys, 0)
    c0, c1, c2, c3 = _round(width, c0, c1, c2, c3, keys, 1)
    c0, c1, c2, c3 = _round(width, c0, c1, c2, c3, keys, 2)
    c0, c1, c2, c3 = _round(width, c0, c1, c2, c3, keys, 3)
    c0, c1, c2, c3 = _round(width, c0, c1, c2, c3, keys, 4)
    c0, c1, c2, c3 = _round(width, c0, c1, c2, c3, keys, 5)
    c0, c1, c2, c3 = _round(width, c0, c1, c2, c3, keys, 6)
    c0, c1, c2, c3 = _round(width, c0, c1, c2, c3, keys, 7)
    c0, c1, c2, c3 = _round(width, c0, c1, c2, c3, keys, 8)
    c0, c1, c2, c3 = _round(width, c0, c1, c2, c3, keys, 9)
    return c0, c1, c2, c3


@jit
def _half_words(width, block, draw, keys, limits, i):
    """32 signs in two parts of 16: words 0, 1 of the eight blocks, and words 2, 3."""
    c0, c1, c2, c3 = _rounds(width, block, draw, keys)
    return bits_above(c0, c1, limits, i), bits_above(c2, c3, limits, i + 16)


@jit
def _spread(pairs):
    """Pairs of bits, 16 bits in each half of the word, moved to every other place of a pair."""
    pairs = (pairs | (pairs << _U64(8))) & _U64(0x00FF00FF00FF00FF)
    pairs = (pairs | (pairs << _U64(4))) & _U64(0x0F0F0F0F0F0F0F0F)
    return (pairs | (pairs << _U64(2))) & _U64(0x3333333333333333)


@jit
def words_flat(width, keys, first, out, start, stop):
    """31-bit words into out `[K, 32 n]`, int32: groups of 32 start to stop, flat."""
    groups = out.shape[1] // 32
    flat = out.reshape(-1)
    for index in range(start, stop):
        k, g = index // groups, index % groups
        c0, c1, c2, c3 = _rounds(width, _U64(8) * _U64(g), _U64(first + k), keys)
        store_quads(flat, 32 * index, c0, c1, c2, c3)


# Words whose limits a thread keeps in its second-level cache for all draws: 32 KiB.
BLOCK = 128


@jit
def draw_blocks(width, logits, keys, first, out, valid, start, stop):
    """Blocks start to stop of words of out `[K, ceil(N / 64)]`, all draws, from logits `[N]`.

    Clears `valid[block]` where a logit is NaN.
    """
    words = out.shape[1]
    values, limits = np.empty(64 * BLOCK, np.float32), np.empty(64 * BLOCK, np.int32)
    for block in range(start, stop):
        here = logits[64 * BLOCK * block : 64 * BLOCK * (block + 1)]
        for i in range(here.size):
            values[i] = here[i]
        # No word is above the limit of -inf: what pads the last word draws zeros.
        values[here.size :] = -np.inf
        valid[block] = fill_limits(values, limits, 0, 4 * BLOCK)
        for k in range(out.shape[0]):
            draw = _U64(first + k)
            for w in range(BLOCK * block, min(BLOCK * (block + 1), words)):
                i = 64 * (w - BLOCK * block)
                # 16 blocks a word never straddle a multiple of 2^32 blocks.
                at = _U64(16) * _U64(w)
                low_01, low_23 = _half_words(width, at, draw, keys, limits, i)
                high_01, high_23 = _half_words(width, at + _U64(8), draw, keys, limits, i + 32)
                pairs_01 = _spread(low_01 | (high_01 << _HALF))
                pairs_23 = _spread(low_23 | (high_23 << _HALF))
                out[k, w] = pairs_01 | (pairs_23 << _U64(2))
