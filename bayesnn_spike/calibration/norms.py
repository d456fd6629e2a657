"""How the gaps of the bins become one number: values `L1()`, `L2()`, `Max()`.

Oracle: tests/calibration/test_ece.py (a three-bin case by hand under all three).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np


class Norm(ABC):
    """Reduces the gaps of B bins, given the share of examples in each."""

    symbol: str

    @abstractmethod
    def reduce(self, gaps: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """Return one number per row.

        Args:
            gaps: `[*R, B]` accuracy minus confidence; 0 in an empty bin.
            shares: `[*R, B]` share of the examples in each bin; sums to 1.

        Returns:
            `[*R]`.
        """


@final
@dataclass(frozen=True)
class L1(Norm):
    """sum_b share_b |gap_b|: the usual ECE."""

    symbol = "L1"

    def reduce(self, gaps: np.ndarray, shares: np.ndarray) -> np.ndarray:
        return (shares * np.abs(gaps)).sum(axis=-1)


@final
@dataclass(frozen=True)
class L2(Norm):
    """sqrt(sum_b share_b gap_b^2): root mean square calibration error."""

    symbol = "L2"

    def reduce(self, gaps: np.ndarray, shares: np.ndarray) -> np.ndarray:
        return np.sqrt((shares * gaps**2).sum(axis=-1))


@final
@dataclass(frozen=True)
class Max(Norm):
    """max_b |gap_b| over the bins that hold an example: the maximum calibration error."""

    symbol = "max"

    def reduce(self, gaps: np.ndarray, shares: np.ndarray) -> np.ndarray:
        return np.where(shares > 0, np.abs(gaps), 0.0).max(axis=-1)
