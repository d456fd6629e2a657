"""Uniform numbers of 53 bits from the words of Philox: for categorical draws and acceptance.

Oracle: tests/ops/test_draw_uniform.py.
"""

from typing import Any

from torch import Tensor

from bayesnn_spike.ops.draw import random_bits
from bayesnn_spike.rng import Stream


def uniforms(
    count: int, *, stream: Stream, draws: int = 1, first: int = 0, device: Any = "cpu"
) -> Tensor:
    """Return numbers of [0, 1), multiples of 2^-53, `[K, count]` float64.

    Number j of draw k depends on (stream, k, j) alone.

    Raises:
        ValueError: draws or first are negative or reach beyond 2^32.
    """
    words = random_bits((count, 2), stream=stream, draws=draws, first=first, device=device).long()
    return ((words[..., 0] << 22) | (words[..., 1] >> 9)).double() * 2.0**-53
