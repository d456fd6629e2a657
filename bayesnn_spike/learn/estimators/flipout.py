"""Flipout: one draw for the batch, decorrelated between examples by random signs."""

from dataclasses import dataclass
from typing import final

from bayesnn_spike.checks import require_positive
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.estimators._draws import hard, mean_gradient, means
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights
from bayesnn_spike.weights import FlipoutWeight


@final
@dataclass(frozen=True)
class Flipout:
    """Exact draws, their deviation from mu sign-flipped per example and unit.

    Wen et al. flip noise that is symmetric. A binary weight's is skewed, so what is run for an
    example keeps the mean and the covariance of a draw and nothing beyond: the bias is that of
    `HardStraightThrough` for losses up to the second power of a weight, and another elsewhere.

    Args:
        draws: K.

    Source: Wen et al. 2018, with Bernoulli weights. Oracle: tests/oracles/test_estimators.py,
    tests/oracles/test_estimators_draws.py.
    """

    draws: int = 1

    def __post_init__(self) -> None:
        require_positive(self.draws, "draws")

    def draw(self, logits: Weights, stream: Stream) -> Draw:
        signs = hard(logits, stream, self.draws)
        leaves = means(logits, self.draws)
        weights = {
            name: FlipoutWeight(mean, signs[name], stream.child(name, "flip"))
            for name, mean in leaves.items()
        }
        return Draw(weights, leaves)

    def gradient(self, logits: Weights, draw: Draw, credit: Credit) -> Weights:
        del draw
        return mean_gradient(logits, credit)
