"""`draw` on the CPU: one compiled pass from logits to signs, the reference's bits exactly.

The loop body repeats the reference's float32 operations in the reference's order; numba does not
contract multiply-add, so every threshold is the same integer. Oracle: tests/ops/test_draw.py.
"""

from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops.draw.reference import EXP, LN2_HIGH, LN2_LOW, LOG2E, MULTIPLIERS, WEYL

_U32, _U64, _F32 = np.uint32, np.uint64, np.float32
_M0, _M1 = (_U64(m) for m in MULTIPLIERS)
_W0, _W1 = (_U32(w) for w in WEYL)
_LOG2E, _LN2_HIGH, _LN2_LOW = _F32(LOG2E), _F32(LN2_HIGH), _F32(LN2_LOW)
_C0, _C1, _C2, _C3, _C4, _C5 = (_F32(c) for c in EXP)
_ZERO, _ONE, _TWO, _LIMIT, _SCALE = _F32(0), _F32(1), _F32(2), _F32(32), _F32(2.0**31)

_jit = numba.njit(cache=True, nogil=True, fastmath=False, boundscheck=False)


@_jit
def _philox(block: np.uint64, draw: np.uint32, k0: np.uint32, k1: np.uint32) -> Any:
    c0 = _U32(block)
    c1 = _U32(block >> _U64(32))
    c2, c3 = draw, _U32(0)
    for _ in range(10):
        p0, p1 = _U64(c0) * _M0, _U64(c2) * _M1
        c0, c1, c2, c3 = (
            _U32(_U32(p1 >> _U64(32)) ^ c1 ^ k0),
            _U32(p1),
            _U32(_U32(p0 >> _U64(32)) ^ c3 ^ k1),
            _U32(p0),
        )
        k0, k1 = _U32(k0 + _W0), _U32(k1 + _W1)
    return c0, c1, c2, c3


@_jit
def _fill_bits(out: np.ndarray, first: int, k0: np.uint32, k1: np.uint32) -> None:
    draws, count = out.shape
    for k in range(draws):
        row, draw = out[k], _U32(first + k)
        full = count // 4
        for block in range(full):
            w0, w1, w2, w3 = _philox(_U64(block), draw, k0, k1)
            row[4 * block] = np.int32(w0 >> _U32(1))
            row[4 * block + 1] = np.int32(w1 >> _U32(1))
            row[4 * block + 2] = np.int32(w2 >> _U32(1))
            row[4 * block + 3] = np.int32(w3 >> _U32(1))
        if count > 4 * full:
            words = _philox(_U64(full), draw, k0, k1)
            for lane in range(count - 4 * full):
                row[4 * full + lane] = np.int32(words[lane] >> _U32(1))


@_jit
def _fill_thresholds(logits: np.ndarray, scale: np.ndarray, out: np.ndarray) -> bool:
    valid = True
    for i in range(logits.size):
        logit = logits[i]
        valid &= logit == logit
        a = min(_TWO * abs(logit), _LIMIT)
        n = np.rint(a * _LOG2E)
        x = -((a - n * _LN2_HIGH) - n * _LN2_LOW)
        y = _C0
        y = y * x + _C1
        y = y * x + _C2
        y = y * x + _C3
        y = y * x + _C4
        y = y * x + _C5
        e = (y * (x * x) + x) + _ONE
        e = e * scale[np.int32(n)]
        small = np.int64(np.rint(e / (_ONE + e) * _SCALE))
        out[i] = np.int32((small if logit >= _ZERO else np.int64(1 << 31) - small) - 1)
    return valid


@_jit
def _fill_signs(thresholds: np.ndarray, bits: np.ndarray, out: np.ndarray) -> None:
    draws, count = out.shape
    for k in range(draws):
        for i in range(count):
            out[k, i] = np.float32(-1) if bits[k, i] <= thresholds[i] else np.float32(1)


# 2^-n for n in [0, 47): exact, and cheaper than ldexp in the loop.
_POWERS = np.ldexp(np.ones(48, np.float32), -np.arange(48)).astype(np.float32)


def random_bits(
    shape: tuple[int, ...], *, key: tuple[int, int], draws: int, first: int, device: Any
) -> Tensor:
    """31-bit words `[K, *shape]`, int32."""
    del device  # the dispatcher has checked that it is the cpu
    out = np.empty((draws, int(np.prod(shape, dtype=np.int64))), np.int32)
    _fill_bits(out, first, _U32(key[0]), _U32(key[1]))
    return torch.from_numpy(out).reshape(draws, *shape)


def draw_signs(logits: Tensor, *, key: tuple[int, int], draws: int, first: int) -> Tensor:
    """-1 or +1 `[K, *shape]`, in the dtype of `logits`."""
    flat = logits.detach().to(torch.float32).contiguous().view(-1).numpy()
    thresholds = np.empty(flat.size, np.int32)
    if not _fill_thresholds(flat, _POWERS, thresholds):
        raise ValueError("logits hold NaN: a weight needs a probability before it can be drawn")
    signs = np.empty((draws, flat.size), np.float32)
    # One draw at a time keeps the scratch words at the size of the parameter, whatever K is.
    bits = np.empty((1, flat.size), np.int32)
    for k in range(draws):
        _fill_bits(bits, first + k, _U32(key[0]), _U32(key[1]))
        _fill_signs(thresholds, bits, signs[k : k + 1])
    return torch.from_numpy(signs).reshape(draws, *logits.shape).to(logits.dtype)
