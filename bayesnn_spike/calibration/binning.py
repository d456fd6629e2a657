"""How confidences fall into bins: values `EqualWidth(bins)` and `EqualMass(bins)`.

Equal width: edge b is the double nearest to b / B, so that a vote of k out of K networks lands
on the side the definition says. The bins are half-open and the outer bin is closed at both
ends; with the default that is the last bin, so a confidence of exactly 1 is counted.

Equal mass: bins follow the ranks of the confidences. Equal confidences are never torn apart, so
the result does not depend on the order of the examples.

Oracle: tests/calibration/test_binning.py.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np


class ClosedSide(ABC):
    """Which end of an inner bin belongs to it."""

    definition: str

    @abstractmethod
    def locate(self, values: np.ndarray, edges: np.ndarray) -> np.ndarray:
        """Return the bin of each value, given the inner edges in ascending order."""


@final
@dataclass(frozen=True)
class LeftClosed(ClosedSide):
    """[a, b), and the last bin [a, 1]."""

    definition = "left-closed, last bin closed"

    def locate(self, values: np.ndarray, edges: np.ndarray) -> np.ndarray:
        return np.searchsorted(edges, values, side="right").astype(np.int64)


@final
@dataclass(frozen=True)
class RightClosed(ClosedSide):
    """(a, b], and the first bin [0, b]: the bins of Guo et al. 2017."""

    definition = "right-closed, first bin closed"

    def locate(self, values: np.ndarray, edges: np.ndarray) -> np.ndarray:
        return np.searchsorted(edges, values, side="left").astype(np.int64)


_LEFT = LeftClosed()


class Binning(ABC):
    """Puts values in [0, 1] into numbered bins."""

    bins: int

    @property
    @abstractmethod
    def definition(self) -> str:
        """The rule in words."""

    @abstractmethod
    def assign(self, values: np.ndarray) -> np.ndarray:
        """Return the bin `[n]` int64 in [0, bins) of each value `[n]`."""

    @abstractmethod
    def assign_resampled(self, values: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Return the bins after each value was repeated `counts` times.

        Args:
            values: `[n]`.
            counts: `[R, n]` non-negative, every row with the same sum.

        Returns:
            `[n]` where the bins do not depend on the counts, else `[R, n]`.
        """

    @abstractmethod
    def ranges(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (low `[bins]`, high `[bins]`) of every bin; NaN where a bin has no range."""


@final
@dataclass(frozen=True)
class EqualWidth(Binning):
    """Bins of width 1 / bins.

    Args:
        bins: number of bins, at least 1.
        closed: which side of an inner bin is closed.

    Raises:
        ValueError: fewer than one bin.
    """

    bins: int = 15
    closed: ClosedSide = _LEFT

    def __post_init__(self) -> None:
        _require_bins(self.bins)

    @property
    def definition(self) -> str:
        return f"{self.bins} equal-width bins, {self.closed.definition}"

    def assign(self, values: np.ndarray) -> np.ndarray:
        # k / bins is the correctly rounded edge; linspace would multiply a rounded step.
        return self.closed.locate(values, np.arange(1, self.bins) / self.bins)

    def assign_resampled(self, values: np.ndarray, counts: np.ndarray) -> np.ndarray:  # noqa: ARG002
        return self.assign(values)  # fixed edges know nothing of the sample

    def ranges(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # noqa: ARG002
        edges = np.arange(self.bins + 1) / self.bins
        return edges[:-1], edges[1:]


@final
@dataclass(frozen=True)
class EqualMass(Binning):
    """Bins of equal numbers of examples: adaptive bins.

    The value with r smaller ones among n goes to bin floor(r * B / n), with B the smaller of
    `bins` and n. Without ties the bins differ by at most one example; with ties some may be
    empty, and empty bins count nothing.

    Args:
        bins: number of bins, at least 1; clamps to the number of examples.

    Raises:
        ValueError: fewer than one bin.

    Source: Nguyen & O'Connor 2015; Nixon et al. 2019 (adaptive calibration error).
    """

    bins: int = 15

    def __post_init__(self) -> None:
        _require_bins(self.bins)

    @property
    def definition(self) -> str:
        return f"{self.bins} equal-mass bins, ties kept together"

    def assign(self, values: np.ndarray) -> np.ndarray:
        return self.assign_resampled(values, np.ones((1, len(values))))[0]

    def assign_resampled(self, values: np.ndarray, counts: np.ndarray) -> np.ndarray:
        order = np.argsort(values, kind="stable")
        ranked = values[order]
        repeats = counts[:, order]
        before = np.zeros_like(repeats, dtype=np.float64)
        np.cumsum(repeats[:, :-1], axis=1, out=before[:, 1:])
        # Every one of a group of equal values takes the rank of the first of them.
        first = np.searchsorted(ranked, ranked, side="left")
        if (first != np.arange(len(first))).any():
            before = before[:, first]
        total = int(repeats[0].sum())
        bins = min(self.bins, total)
        # The products are integers below 2^53, so that the division cannot round over an edge.
        index = np.empty(before.shape, dtype=np.int64)
        index[:, order] = np.minimum(before * bins // total, bins - 1)
        return index

    def ranges(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        index = self.assign(values)
        low, high = np.full(self.bins, np.inf), np.full(self.bins, -np.inf)
        np.minimum.at(low, index, values)
        np.maximum.at(high, index, values)
        empty = low > high
        low[empty], high[empty] = np.nan, np.nan
        return low, high


def _require_bins(bins: int) -> None:
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise ValueError(f"bins must be an integer of at least 1, got {bins!r}")
