"""`draw` on the CPU: one compiled pass from logits to signs, the reference's bits exactly.

The loop body repeats the reference's float32 operations in the reference's order; numba does not
contract multiply-add, so every threshold is the same integer. Oracle: tests/ops/test_draw.py.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops.draw.reference import EXP, LN2_HIGH, LN2_LOW, LOG2E, MULTIPLIERS, WEYL

_U32, _U64, _F32 = np.uint32, np.uint64, np.float32
_M0, _M1 = (_U64(m) for m in MULTIPLIERS)
_W0, _W1 = (_U64(w) for w in WEYL)
_MASK = _U64(0xFFFFFFFF)
_LOG2E, _LN2_HIGH, _LN2_LOW = _F32(LOG2E), _F32(LN2_HIGH), _F32(LN2_LOW)
_C0, _C1, _C2, _C3, _C4, _C5 = (_F32(c) for c in EXP)

# So many blocks run side by side: the rounds become vector instructions.
_LANES = 32
# Adding and taking off 1.5 * 2^23 rounds a small float32 to an integer, ties to even.
_ROUND = _F32(1.5 * 2**23)


@jit
def _fill_bits(out: np.ndarray, first: int, key0: int, key1: int) -> None:
    """31-bit words into out `[K, count]`; blocks of four words, `_LANES` blocks at a time."""
    draws, count = out.shape
    c0, c1 = np.empty(_LANES, np.uint64), np.empty(_LANES, np.uint64)
    c2, c3 = np.empty(_LANES, np.uint64), np.empty(_LANES, np.uint64)
    words = np.empty(4 * _LANES, np.int32)
    for k in range(draws):
        for base in range(0, (count + 3) // 4, _LANES):
            for j in range(_LANES):
                block = _U64(base + j)
                c0[j], c1[j] = block & _MASK, block >> _U64(32)
                c2[j], c3[j] = _U64(first + k), _U64(0)
            k0, k1 = _U64(key0), _U64(key1)
            for _ in range(10):
                for j in range(_LANES):
                    p0, p1 = c0[j] * _M0, c2[j] * _M1
                    c0[j] = (p1 >> _U64(32)) ^ c1[j] ^ k0
                    c1[j] = p1 & _MASK
                    c2[j] = (p0 >> _U64(32)) ^ c3[j] ^ k1
                    c3[j] = p0 & _MASK
                k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
            for j in range(_LANES):
                words[4 * j] = np.int32(c0[j] >> _U64(1))
                words[4 * j + 1] = np.int32(c1[j] >> _U64(1))
                words[4 * j + 2] = np.int32(c2[j] >> _U64(1))
                words[4 * j + 3] = np.int32(c3[j] >> _U64(1))
            for i in range(min(4 * _LANES, count - 4 * base)):
                out[k, 4 * base + i] = words[i]


@jit
def _fill_thresholds(logits: np.ndarray, out: np.ndarray) -> bool:
    """The reference's thresholds; returns whether no logit is NaN."""
    nan = np.int32(0)
    for i in range(logits.size):
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
def _fill_signs(thresholds: np.ndarray, bits: np.ndarray, out: np.ndarray) -> None:
    for i in range(out.size):
        out[i] = _F32(-1) if bits[i] <= thresholds[i] else _F32(1)


def random_bits(
    shape: tuple[int, ...], *, key: tuple[int, int], draws: int, first: int, device: Any
) -> Tensor:
    """31-bit words `[K, *shape]`, int32."""
    del device  # the dispatcher has checked that it is the cpu
    out = np.empty((draws, int(np.prod(shape, dtype=np.int64))), np.int32)
    _fill_bits(out, first, *key)
    return torch.from_numpy(out).reshape(draws, *shape)


def draw_signs(logits: Tensor, *, key: tuple[int, int], draws: int, first: int) -> Tensor:
    """-1 or +1 `[K, *shape]`, in the dtype of `logits`."""
    flat = logits.detach().to(torch.float32).contiguous().view(-1).numpy()
    thresholds = np.empty(flat.size, np.int32)
    if not _fill_thresholds(flat, thresholds):
        raise ValueError("logits hold NaN: a weight needs a probability before it can be drawn")
    signs = np.empty((draws, flat.size), np.float32)
    # One draw at a time keeps the scratch words at the size of the parameter, whatever K is.
    bits = np.empty((1, flat.size), np.int32)
    for k in range(draws):
        _fill_bits(bits, first + k, *key)
        _fill_signs(thresholds, bits[0], signs[k])
    return torch.from_numpy(signs).reshape(draws, *logits.shape).to(logits.dtype)
