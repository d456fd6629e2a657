"""Step sizes as functions of the step count."""

import math
from dataclasses import dataclass
from typing import Protocol, final

from bayesnn_spike.checks import require_positive


@final
@dataclass(frozen=True)
class Constant:
    """The same step size always."""

    value: float

    def __post_init__(self) -> None:
        require_positive(self.value, "step size")

    def __call__(self, step: int) -> float:
        del step
        return self.value


@final
@dataclass(frozen=True)
class Cosine:
    """value * (1 + cos(pi * progress)) / 2, from `value` at the first step to 0 after `steps`.

    Args:
        value: the first step size.
        steps: when it reaches 0; it stays there.
        every: how many steps share one value (the steps of an epoch, to change once an epoch).
    """

    value: float
    steps: int
    every: int = 1

    def __post_init__(self) -> None:
        require_positive(self.value, "step size")
        require_positive(self.steps, "steps")
        require_positive(self.every, "every")

    def __call__(self, step: int) -> float:
        progress = min(1.0, (step // self.every) * self.every / self.steps)
        return self.value * 0.5 * (1 + math.cos(math.pi * progress))


class Schedule(Protocol):
    """Any function of the steps taken so far, from 0; a frozen dataclass, to be compared."""

    def __call__(self, step: int) -> float:
        """Return the size of the next step."""


def as_schedule(value: "float | Schedule") -> Schedule:
    """Take a number as a constant schedule."""
    return value if callable(value) else Constant(float(value))
