"""DisARM, also called U2G: ARM with the uniform number integrated out."""

from dataclasses import dataclass
from typing import final

import torch

from bayesnn_spike.checks import require_positive
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.estimators._draws import antithetic, differences
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


@final
@dataclass(frozen=True)
class DisArm:
    """(L_1 - L_2) (w_1 - w_2) / 2 * (1 + exp(2 |lambda|)) / 4: unbiased, needs no gradient.

    It is the expectation of `Arm` given the pair, so its variance is never higher. A weight on
    which the pair agrees gets no gradient from it; it disagrees with probability
    2 / (1 + exp(2 |lambda|)). In the field's form, with theta = 2 lambda:
    grad_theta = (L_1 - L_2) (w_1 - w_2) / 4 * sigmoid(|theta|). Several pairs are averaged; a pair
    is its own baseline.

    Args:
        pairs: networks run are K = 2 pairs; draws 2j and 2j + 1 are one pair.

    Source: Dong, Mnih and Tucker 2020; Yin et al. 2020 (U2G).
    Oracle: tests/oracles/test_estimators_draws.py.
    """

    pairs: int = 1

    def __post_init__(self) -> None:
        require_positive(self.pairs, "pairs")

    def draw(self, logits: Weights, stream: Stream) -> Draw:
        return Draw(antithetic(logits, stream, self.pairs), {})

    def gradient(self, logits: Weights, draw: Draw, credit: Credit) -> Weights:
        grads = {}
        for name, values in logits.items():
            signs = draw.weights[name]
            half = (signs[::2] - signs[1::2]) / 2
            weight = (1 + torch.exp(2 * values.abs())) / 4
            # Where a pair agrees, an overflowing weight must not make 0 * inf.
            terms = torch.where(half == 0, 0.0, differences(credit, values) * half * weight)
            grads[name] = terms.mean(0)
        return grads
