"""Straight-through Gumbel: exact draws forward, the relaxation's slope backward."""

from dataclasses import dataclass
from typing import final

from bayesnn_spike.checks import require_positive
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.estimators._draws import hard, noisy_logits
from bayesnn_spike.learn.estimators.scale import ExactScale
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights
from bayesnn_spike.weights import sign_leaves


@final
@dataclass(frozen=True)
class GumbelStraightThrough:
    """Exact draws w = sign(z), gradient s(z) dL/dw taken at them, s as in `Relaxed`.

    The difference of two Gumbel variables is logistic: for two classes this is the straight-through
    Gumbel-softmax. `GumbelRao` takes the noise of s away.

    Args:
        tau: relaxation temperature of the backward pass.
        draws: K.

    Source: Jang, Gu and Poole 2017, section 2.2. Oracle: tests/oracles/test_estimators_draws.py.
    """

    tau: float = 0.5
    draws: int = 1

    def __post_init__(self) -> None:
        require_positive(self.tau, "tau")
        require_positive(self.draws, "draws")

    def draw(self, logits: Weights, stream: Stream) -> Draw:
        z = noisy_logits(logits, stream, self.draws, self.tau)
        return Draw(*sign_leaves(hard(logits, stream, self.draws)), z)

    def gradient(self, logits: Weights, draw: Draw, credit: Credit) -> Weights:
        scale = ExactScale()
        return {
            name: (scale(values, draw.noise[name], self.tau) * credit.grads[name]).mean(0)
            for name, values in logits.items()
        }
