"""`draw` on the CPU: from logits to packed signs, the reference's bits exactly.

Thresholds repeat the reference's float32 operations in the reference's order; numba does not
contract multiply-add, so every threshold is the same integer. Signs are drawn 64 to a word in flat
order, where Philox blocks are aligned, and then cut into rows. Oracle: tests/ops/test_draw.py.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._threads import parallel
from bayesnn_spike.ops.bits import words_for
from bayesnn_spike.ops.draw.philox import LANES, draw_flat, schedule, words_flat
from bayesnn_spike.ops.draw.reference import EXP, LN2_HIGH, LN2_LOW, LOG2E
from bayesnn_spike.ops.draw.signs import rows_of

_U64, _F32 = np.uint64, np.float32
_LOG2E, _LN2_HIGH, _LN2_LOW = _F32(LOG2E), _F32(LN2_HIGH), _F32(LN2_LOW)
_C0, _C1, _C2, _C3, _C4, _C5 = (_F32(c) for c in EXP)
# Adding and taking off 1.5 * 2^23 rounds a small float32 to an integer, ties to even.
_ROUND = _F32(1.5 * 2**23)
# A limit that no 31-bit word is above: what pads the last word draws zeros.
_NEVER = np.int32(2**31 - 1)


@jit
def _thresholds(logits, out, start, stop):
    """The reference's thresholds of weights start to stop; returns whether no logit is NaN."""
    nan = np.int32(0)
    for i in range(start, stop):
        logit = logits[i]
        nan += np.int32(logit != logit)
        a = _F32(2) * abs(logit)
        a = a if a < _F32(32) else _F32(32)
        n = (a * _LOG2E + _ROUND) - _ROUND
        x = -((a - n * _LN2_HIGH) - n * _LN2_LOW)
        y = _C0
        y = y * x + _C1
        y = y * x + _C2
        y = y * x + _C3
        y = y * x + _C4
        y = y * x + _C5
        e = (y * (x * x) + x) + _F32(1)
        # e * 2^-n by the bits of n: exact, and without a table look-up.
        bits = np.int32(n)
        e = e * (_F32(0.5) if bits & 1 else _F32(1))
        e = e * (_F32(0.25) if bits & 2 else _F32(1))
        e = e * (_F32(2.0**-4) if bits & 4 else _F32(1))
        e = e * (_F32(2.0**-8) if bits & 8 else _F32(1))
        e = e * (_F32(2.0**-16) if bits & 16 else _F32(1))
        e = e * (_F32(2.0**-32) if bits & 32 else _F32(1))
        small = np.int32(np.rint(e / (_F32(1) + e) * _F32(2.0**31)))
        out[i] = small - np.int32(1) if logit >= _F32(0) else np.int32(2**31 - 1) - small
    return nan == 0


@jit
def _rows(flat, inputs, out, start, stop):
    """Cut flat words `[K, F]` into rows `[K, M, W]` of `inputs` bits each; rows start to stop."""
    rows, words = out.shape[1], out.shape[2]
    last = _U64(0xFFFFFFFFFFFFFFFF) >> _U64(64 * words - inputs)
    for index in range(start, stop):
        k, m = index // rows, index % rows
        for w in range(words):
            bit = m * inputs + 64 * w
            at, shift = bit >> 6, _U64(bit & 63)
            word = flat[k, at] >> shift
            if shift and at + 1 < flat.shape[1]:
                word |= flat[k, at + 1] << (_U64(64) - shift)
            out[k, m, w] = word & last if w == words - 1 else word


@jit
def _signs(words, count, out, start, stop):
    """-1 or +1 into out `[K * count]`, from flat words `[K, F]`; words start to stop."""
    per = words.shape[1]
    for index in range(start, stop):
        k, w = index // per, index % per
        word = words[k, w]
        base = k * count + 64 * w
        if 64 * w + 64 <= count:
            for j in range(64):
                out[base + j] = np.int32((word >> _U64(j)) & _U64(1)) * 2 - 1
        else:
            for j in range(count - 64 * w):
                out[base + j] = np.int32((word >> _U64(j)) & _U64(1)) * 2 - 1


def random_bits(
    shape: tuple[int, ...], *, key: tuple[int, int], draws: int, first: int, device: Any
) -> Tensor:
    """31-bit words `[K, *shape]`, int32."""
    del device  # the dispatcher has checked that it is the cpu
    count = int(np.prod(shape, dtype=np.int64))
    out = np.empty((draws, 32 * -(-count // 32)), np.int32)
    keys = schedule(*key)
    parallel(lambda i, j: words_flat(LANES, keys, first, out, i, j), out.size // 32, least=256)
    return torch.from_numpy(out)[:, :count].reshape(draws, *shape)


def draw_words(logits: Tensor, *, key: tuple[int, int], draws: int, first: int) -> Tensor:
    """Signs packed by rows, int64 `[K, M, ceil(N / 64)]`."""
    rows, inputs = rows_of(tuple(logits.shape))
    flat = _draw(logits, key, draws, first)
    if inputs % 64:
        out = np.empty((draws, rows, words_for(inputs)), _U64)
        parallel(lambda i, j: _rows(flat, inputs, out, i, j), draws * rows, least=16)
    else:
        out = flat.reshape(draws, rows, words_for(inputs))
    return torch.from_numpy(out.view(np.int64))


def draw_signs(logits: Tensor, *, key: tuple[int, int], draws: int, first: int) -> Tensor:
    """-1 or +1 `[K, *shape]`, in the dtype of `logits`."""
    flat = _draw(logits, key, draws, first)
    count = logits.numel()
    signs = np.empty(draws * count, np.float32)
    parallel(lambda i, j: _signs(flat, count, signs, i, j), flat.size, least=256)
    return torch.from_numpy(signs).reshape(draws, *logits.shape).to(logits.dtype)


def _draw(logits: Tensor, key: tuple[int, int], draws: int, first: int) -> np.ndarray:
    """Words `[K, ceil(count / 64)]` of all weights in flat order."""
    values = logits.detach().to(torch.float32).contiguous().view(-1).numpy()
    words = words_for(values.size)
    limits = np.empty(64 * words, np.int32)
    limits[values.size :] = _NEVER
    finite = []
    parallel(
        lambda i, j: finite.append(_thresholds(values, limits, i, j)), values.size, least=1 << 14
    )
    if not all(finite):
        raise ValueError("logits hold NaN: a weight needs a probability before it can be drawn")
    out = np.empty((draws, words), _U64)
    keys = schedule(*key)
    parallel(lambda i, j: draw_flat(LANES, limits, keys, first, out, i, j), out.size, least=256)
    return out
