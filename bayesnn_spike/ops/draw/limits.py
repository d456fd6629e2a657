"""The int32 limit above which a 31-bit word means +1, for every logit, compiled with vectors.

The reference's float32 operations in the reference's order (ops/draw/README.md); nothing is
contracted, so every limit is the same integer. Oracle: tests/ops/test_draw.py.
"""

import numpy as np

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import (
    absolute,
    halvings,
    load_floats,
    rounded,
    splat_float,
    store_limits,
    where_reaches,
)
from bayesnn_spike.ops.draw.reference import EXP, LN2_HIGH, LN2_LOW, LOG2E

_F32 = np.float32
_ONE, _TWO, _MOST, _SCALE = _F32(1), _F32(2), _F32(32), _F32(2.0**31)
_LOG2E, _LN2_HIGH, _LN2_LOW = _F32(LOG2E), _F32(LN2_HIGH), _F32(LN2_LOW)
_C0, _C1, _C2, _C3, _C4, _C5 = (_F32(c) for c in EXP)


@jit
def fill_limits(logits, out, start, stop):
    """Limits of groups of 16 logits, start to stop; sizes are multiples of 32.

    Of 32 logits, the first two of every four come first, the last two behind them.

    Returns:
        Whether no logit is NaN.
    """
    one = splat_float(_ONE)
    for i in range(16 * start, 16 * stop, 16):
        values = load_floats(logits, i)
        a = splat_float(_TWO) * absolute(values)
        a = where_reaches(a, splat_float(_MOST), splat_float(_MOST), a)
        n = rounded(a * splat_float(_LOG2E))
        x = n * splat_float(_LN2_LOW) - (a - n * splat_float(_LN2_HIGH))
        y = splat_float(_C0) * x + splat_float(_C1)
        y = y * x + splat_float(_C2)
        y = y * x + splat_float(_C3)
        y = y * x + splat_float(_C4)
        y = y * x + splat_float(_C5)
        e = ((y * (x * x) + x) + one) * halvings(n)
        small = rounded(e / (one + e) * splat_float(_SCALE))
        # The order in which the draws compare them, see `philox`.
        store_limits(out, i // 32 * 32 + i % 32 // 2, small, values)
    nan = 0
    some = logits[16 * start : 16 * stop]
    for i in range(some.size):
        nan |= some[i] != some[i]
    return nan == 0
