"""The temperature of a posterior, derived and never bare."""

import math
from dataclasses import dataclass
from typing import final

from bayesnn_spike.checks import require_interval


@final
@dataclass(frozen=True)
class Temperature:
    """The weight rho of the KL beside a mean loss: rho = tempering / (examples * scored_steps).

    The objective is F(q) = E_q[L] + rho KL(q || prior) with L the mean loss per example and per
    scored step. With tempering 1 its optimum is the Bayes posterior of the summed likelihood;
    below 1 the posterior is colder than Bayes, which is to be said wherever results are shown.

    Args:
        examples: N, the training examples of the current task.
        scored_steps: terms of one example's log-likelihood (`loss.scored_steps(T, horizon)`).
        tempering: 1 is Bayes, below 1 is cold, 0 leaves the prior out.

    Raises:
        ValueError: a count below 1, or negative tempering.

    Source: Meng et al. 2020 (BayesBiNN), where rho = reweight / N.
    Oracle: tests/learn/test_temperature.py.
    """

    examples: int
    scored_steps: int = 1
    tempering: float = 1.0

    def __post_init__(self) -> None:
        require_interval(self.examples, "examples", 1, math.inf)
        require_interval(self.scored_steps, "scored_steps", 1, math.inf)
        require_interval(self.tempering, "tempering", 0, math.inf)

    @property
    def rho(self) -> float:
        """The weight of the KL."""
        return self.tempering / (self.examples * self.scored_steps)

    def __str__(self) -> str:
        return (
            f"rho {self.rho:.3g} = tempering {self.tempering:g} / "
            f"({self.examples} examples x {self.scored_steps} scored steps)"
        )
