"""A number that knows what it is: value, definition, interval.

Oracle: tests/calibration/test_score.py.
"""

from dataclasses import dataclass
from typing import Any, final


@final
@dataclass(frozen=True)
class Interval:
    """An interval around a score, and how it came about.

    Attributes:
        low, high: its ends, in the units of the score.
        level: its nominal coverage, for example 0.95.
        definition: method, number of resamples, and what was resampled.
    """

    low: float
    high: float
    level: float
    definition: str

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@final
@dataclass(frozen=True)
class Score:
    """One measured number with its definition; `float(score)` is the number.

    Attributes:
        name: short name, the key in a summary: "ece".
        value: the number.
        definition: what was computed, complete enough to compute it again.
        interval: its uncertainty over examples, where it was estimated.
    """

    name: str
    value: float
    definition: str
    interval: Interval | None = None

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        text = f"{self.name} {self.value:.4f}"
        if self.interval is not None:
            text += f" [{self.interval.low:.4f}, {self.interval.high:.4f}]"
        return f"{text} ({self.definition})"

    def as_dict(self) -> dict[str, Any]:
        """Return the score as plain JSON values."""
        plain: dict[str, Any] = {"value": self.value, "definition": self.definition}
        if self.interval is not None:
            plain["interval"] = {
                "low": self.interval.low,
                "high": self.interval.high,
                "level": self.interval.level,
                "definition": self.interval.definition,
            }
        return plain
