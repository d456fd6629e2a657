"""Straight-through at exact draws."""

from dataclasses import dataclass
from typing import final

from bayesnn_spike.checks import require_positive
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.estimators._draws import hard, mean_gradient
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights
from bayesnn_spike.weights import sign_leaves


@final
@dataclass(frozen=True)
class HardStraightThrough:
    """Exact draws w in {-1, +1}, gradient dL/dw taken at them.

    Args:
        draws: K.

    Oracle: tests/oracles/test_estimators.py.
    """

    draws: int = 1

    def __post_init__(self) -> None:
        require_positive(self.draws, "draws")

    def draw(self, logits: Weights, stream: Stream) -> Draw:
        return Draw(*sign_leaves(hard(logits, stream, self.draws)))

    def gradient(self, logits: Weights, draw: Draw, credit: Credit) -> Weights:
        del draw
        return mean_gradient(logits, credit)
