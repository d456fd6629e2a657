"""Local reparameterisation: noise in the currents, not in the weights."""

from dataclasses import dataclass
from typing import final

from bayesnn_spike.checks import require_positive
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.estimators._draws import mean_gradient, means
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights
from bayesnn_spike.weights import LocalWeight


@final
@dataclass(frozen=True)
class LocalReparameterisation:
    """Normal currents of the exact mean and variance, one noise per example and unit.

    `neurons.firing_probability` is the expected spike of such a current in one step.

    Args:
        draws: K.

    Source: Kingma et al. 2015; Peters and Welling 2018 for binary weights.
    Oracle: tests/oracles/test_estimators.py.
    """

    draws: int = 1

    def __post_init__(self) -> None:
        require_positive(self.draws, "draws")

    def draw(self, logits: Weights, stream: Stream) -> Draw:
        leaves = means(logits, self.draws)
        weights = {
            name: LocalWeight(mean, stream.child(name, "local")) for name, mean in leaves.items()
        }
        return Draw(weights, leaves)

    def gradient(self, logits: Weights, draw: Draw, credit: Credit) -> Weights:
        del draw
        return mean_gradient(logits, credit)
