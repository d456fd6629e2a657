"""What a reader does with a file that breaks a rule which real files are known to break.

Every reader refuses by default. Each other value is a decision of the caller's, by name.
"""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from bayesnn_spike.events.errors import EventError

Order = NDArray[np.int64] | slice
"""Which events are kept and in what order: an index into the file's events."""


@final
@dataclass(frozen=True)
class Refuse:
    """Raise EventFileError: the file is not what it should be."""

    def apply(self, t_us: NDArray[np.int64]) -> tuple[NDArray[np.int64], Order]:
        """Return times `[n]` and order unchanged."""
        return t_us, slice(None)


@final
@dataclass(frozen=True)
class Sort:
    """Sort the events by time; those of one time keep the file's order."""

    def apply(self, t_us: NDArray[np.int64]) -> tuple[NDArray[np.int64], Order]:
        """Return the sorted times `[n]` and the order that sorts."""
        order = np.argsort(t_us, kind="stable")
        return t_us[order], order


@final
@dataclass(frozen=True)
class Cut:
    """Keep the events up to the first step backwards, and drop the rest."""

    def apply(self, t_us: NDArray[np.int64]) -> tuple[NDArray[np.int64], Order]:
        """Return the times `[m]`, m <= n, of the events that are kept."""
        first = first_backwards(t_us)
        kept = slice(0, len(t_us) if first is None else first)
        return t_us[kept], kept


@final
@dataclass(frozen=True)
class Unwrap:
    """Undo a counter that wrapped: a fall of more than half a period means one period went by.

    A smaller step backwards is no wrap, and is still refused.

    Attributes:
        period_us: 2**23 for the ATIS code (8.4 s), 2**32 for AEDAT 2.0 (71.6 min).

    Raises:
        EventError: the period is not positive.
    """

    period_us: int

    def __post_init__(self) -> None:
        if self.period_us < 1:
            raise EventError(f"period_us must be at least 1, got {self.period_us}")

    def apply(self, t_us: NDArray[np.int64]) -> tuple[NDArray[np.int64], Order]:
        """Return the times `[n]` without wraps, in the file's order."""
        wraps = np.diff(t_us, prepend=t_us[:1]) < -(self.period_us // 2)
        return t_us + self.period_us * np.cumsum(wraps), slice(None)


OnBackwards = Refuse | Sort | Cut | Unwrap
"""What to do when time runs backwards."""


@final
@dataclass(frozen=True)
class Drop:
    """Leave the special events out: they are marks in time, not pixels."""


@final
@dataclass(frozen=True)
class Advance:
    """Take an overflow mark for what it says: all later times are `step_us` later.

    The marks themselves are left out. Source: the data set authors' reader for N-MNIST and
    N-Caltech101 (Garrick Orchard, event-Python, eventvision.py), which uses 2**13.
    """

    step_us: int = 2**13


def first_backwards(t_us: NDArray[np.integer[Any]]) -> int | None:
    """Return the first event that is earlier than the one before it, or None."""
    back = t_us[1:] < t_us[:-1]  # not np.diff, which wraps for unsigned times
    return int(back.argmax()) + 1 if back.any() else None
