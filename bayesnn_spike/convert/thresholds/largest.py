"""The exact percentile of numbers that come in parts, in any order.

Oracle: tests/convert/thresholds/test_largest.py.
"""

import math
from typing import final

import numpy as np
import torch
from torch import Tensor


@final
class Largest:
    """Keeps the largest values, as many as the percentile needs.

    The percentile q of n numbers is the smallest of them that at least q % of all do not exceed. It
    is one of the numbers, and depends on neither their order nor how they are parted.

    Args:
        count: n, of all parts together.
        percentile: q in (0, 100]; 100 is the maximum.
    """

    def __init__(self, count: int, percentile: float) -> None:
        # Rounded first, so that 99.9 % of 1000 is 999 and not one more by its last bit.
        at_most = math.ceil(round(count * percentile / 100, 6))
        self.keep = count - max(at_most, 1) + 1
        self.kept: Tensor | None = None

    def add(self, values: Tensor) -> None:
        """Take a part of the numbers, of any shape."""
        values = values.reshape(-1)
        if self.keep == 1:
            largest = values.max().view(1)
            self.kept = largest if self.kept is None else torch.maximum(self.kept, largest)
            return
        if self.kept is not None:
            if len(self.kept) == self.keep:
                values = values[values > self.kept.min()]
            values = torch.cat([self.kept, values])
        self.kept = _top(values, self.keep)

    def value(self) -> float:
        """Return the percentile of all parts."""
        return float(self.kept.min())


def _top(values: Tensor, count: int) -> Tensor:
    """Return the largest of some numbers, in any order; numpy's selection is the faster one."""
    if len(values) <= count:
        return values
    if values.device.type != "cpu" or values.dtype not in (torch.float32, torch.float64):
        return values.topk(count, sorted=False).values
    at = len(values) - count
    return torch.from_numpy(np.partition(values.numpy(), at)[at:].copy())
