"""Spikes, and means of four spikes, as bits.

An average-pooled spike is 0, 1/4, 1/2, 3/4 or 1. Three planes of bits, with the values 1/4, 1/2 and
1, hold it exactly. Oracle: tests/ops/test_synapse_quarters.py.
"""

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import differs, get, load_floats, put, splat_float, trailing_zeros
from bayesnn_spike.ops._threads import parallel
from bayesnn_spike.ops.bits import words_for

_U64, _F32 = np.uint64, np.float32
PLANES = (0.25, 0.5, 1.0)
"""The value of a bit of each plane."""
BINARY = 2
"""The `kind` of zeros and ones."""
# Numbers of a range of work.
_PIECE = 1 << 16


@jit
def _kinds(flat, kinds, start, stop):
    """Pieces start to stop of x: 0 neither, 1 quarters, 2 zeros and ones."""
    zero, one = splat_float(_F32(0)), splat_float(_F32(1))
    quarter, half = splat_float(_F32(0.25)), splat_float(_F32(0.5))
    most = splat_float(_F32(0.75))
    for piece in range(start, stop):
        first, last = piece * _PIECE, min((piece + 1) * _PIECE, flat.size)
        done = first + (last - first) // 16 * 16
        kind = 2
        for i in range(first, done, 16):
            v = load_floats(flat, i)
            bad = differs(v, zero) & differs(v, one)
            if bad != _U64(0):
                kind = min(kind, 1)
                if (bad & differs(v, quarter) & differs(v, half) & differs(v, most)) != _U64(0):
                    kind = 0
                    break
        for i in range(done, last):
            v = flat[i]
            if v != 0 and v != 1:
                kind = min(kind, 1 if v == 0.25 or v == 0.5 or v == 0.75 else 0)
        kinds[piece] = kind


def kind(spikes: Tensor) -> int:
    """Return 2 for zeros and ones, 1 if there are quarters as well, 0 for anything else.

    Args:
        spikes: float32 on the CPU, any shape; without a copy where it is contiguous.
    """
    flat = spikes.detach().contiguous().view(-1).numpy()
    if flat.size == 0:
        return 2
    kinds = np.empty(-(-flat.size // _PIECE), np.int64)
    parallel(lambda i, j: _kinds(flat, kinds, i, j), len(kinds))
    return int(kinds.min())


@jit
def _set(bits, out, to, per, bit):
    """Set one bit of the words that lie `per` apart, for each bit of a mask."""
    while bits != _U64(0):
        q = to + trailing_zeros(bits) * per
        put(out, q, get(out, q) | bit)
        bits &= bits - _U64(1)


@jit
def _pack(x, words, start, stop):
    """Frames start to stop of x `[F, C, P]` into words `[F, P, 3 W]`."""
    channels, places, per = x.shape[1], x.shape[2], words.shape[2]
    each = per // 3
    flat, out = x.reshape(-1), words.reshape(-1)
    quarter, half = splat_float(_F32(0.25)), splat_float(_F32(0.5))
    most, one, zero = splat_float(_F32(0.75)), splat_float(_F32(1)), splat_float(_F32(0))
    every = _U64(0xFFFF)
    for f in range(start, stop):
        for i in range(f * places * per, (f + 1) * places * per):
            put(out, i, _U64(0))
        for c in range(channels):
            bit, at = _U64(1) << _U64(c & 63), (f * channels + c) * places
            to = f * places * per + (c >> 6)
            done = places // 16 * 16
            for p in range(0, done, 16):
                v = load_floats(flat, at + p)
                if differs(v, zero) != _U64(0):
                    three = every ^ differs(v, most)
                    here = to + p * per
                    _set(three | (every ^ differs(v, quarter)), out, here, per, bit)
                    _set(three | (every ^ differs(v, half)), out, here + each, per, bit)
                    _set(every ^ differs(v, one), out, here + 2 * each, per, bit)
            for p in range(done, places):
                v, here = flat[at + p], to + p * per
                if v == 0.25 or v == 0.75:
                    out[here] |= bit
                if v == 0.5 or v == 0.75:
                    out[here + each] |= bit
                if v == 1:
                    out[here + 2 * each] |= bit


def pack_quarters(x: Tensor) -> Tensor:
    """Pack maps of 0, 1/4, 1/2, 3/4 and 1, `[D, F, C, H, W]`.

    Returns:
        Words int64 `[D, F, P, 3 ceil(C / 64)]`, one plane after another.
    """
    numbers = x.detach().contiguous().numpy().reshape(-1, x.shape[2], x.shape[3] * x.shape[4])
    frames, channels, places = numbers.shape
    words = np.empty((frames, places, 3 * words_for(channels)), _U64)
    parallel(lambda i, j: _pack(numbers, words, i, j), frames)
    return torch.from_numpy(words.view(np.int64)).view(*x.shape[:2], places, words.shape[2])
