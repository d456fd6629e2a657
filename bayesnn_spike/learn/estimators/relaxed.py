"""The relaxation: run tanh((lambda + delta) / tau) in the place of signs."""

from dataclasses import dataclass
from typing import final

from bayesnn_spike.checks import require_positive
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.estimators._draws import noisy_logits
from bayesnn_spike.learn.estimators.scale import EpsScale, ExactScale
from bayesnn_spike.learn.rule import leaf
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


@final
@dataclass(frozen=True)
class Relaxed:
    """w = tanh((lambda + delta) / tau), gradient s * dL/dw with s = (1 - w^2) / (tau (1 - mu^2)).

    Args:
        tau: relaxation temperature. 1 as published over-drives confident weights and under-drives
            uncertain ones; 0.1 to 0.5 is the sensible range.
        draws: K.
        scale: ExactScale() or EpsScale().

    Source: Maddison et al. 2017; Meng et al. 2020 (BayesBiNN).
    Oracle: tests/oracles/test_estimators.py.
    """

    tau: float = 0.5
    draws: int = 1
    scale: ExactScale | EpsScale = ExactScale()

    def __post_init__(self) -> None:
        require_positive(self.tau, "tau")
        require_positive(self.draws, "draws")

    def draw(self, logits: Weights, stream: Stream) -> Draw:
        z = noisy_logits(logits, stream, self.draws, self.tau)
        weights = {name: leaf(values.tanh()) for name, values in z.items()}
        return Draw(weights, weights, z)

    def gradient(self, logits: Weights, draw: Draw, credit: Credit) -> Weights:
        return {
            name: (self.scale(values, draw.noise[name], self.tau) * credit.grads[name]).mean(0)
            for name, values in logits.items()
        }
