"""ARM: antithetic pairs of losses, weighed by the uniform number behind the pair."""

from dataclasses import dataclass
from typing import final

import torch

from bayesnn_spike.checks import require_positive
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.estimators._draws import antithetic, differences
from bayesnn_spike.ops.draw import random_bits
from bayesnn_spike.posterior.bernoulli import logcosh
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


@final
@dataclass(frozen=True)
class Arm:
    """2 (L_1 - L_2) (u - 1/2) / (1 - mu^2) over antithetic pairs: unbiased, needs no gradient.

    In the field's form, with theta = 2 lambda: w_1 = [u > sigmoid(-theta)],
    w_2 = [u < sigmoid(theta)], grad_theta = (L_1 - L_2) (u - 1/2). The Fisher information
    1 - mu^2 and d theta / d lambda = 2 turn that into a gradient in mu. The weight
    cosh(lambda)^2 grows with confidence while u - 1/2 is what `DisArm` integrates out: prefer
    `DisArm`. Several pairs are averaged; a pair is its own baseline.

    Args:
        pairs: networks run are K = 2 pairs; draws 2j and 2j + 1 are one pair.

    Source: Yin and Zhou 2019, theorem 1. Oracle: tests/oracles/test_estimators_draws.py.
    """

    pairs: int = 1

    def __post_init__(self) -> None:
        require_positive(self.pairs, "pairs")

    def draw(self, logits: Weights, stream: Stream) -> Draw:
        centred = {
            name: _centred(values, stream.child(name), self.pairs)
            for name, values in logits.items()
        }
        return Draw(antithetic(logits, stream, self.pairs), {}, centred)

    def gradient(self, logits: Weights, draw: Draw, credit: Credit) -> Weights:
        grads = {}
        for name, values in logits.items():
            seen = (differences(credit, values) * draw.noise[name]).mean(0)
            weighted = seen * (2 * torch.exp(2 * logcosh(values)))
            # Losses that do not differ say nothing, however large the weight: not 0 * inf.
            grads[name] = torch.where(seen == 0, 0.0, weighted)
        return grads


def _centred(values: torch.Tensor, stream: Stream, pairs: int) -> torch.Tensor:
    """u - 1/2 of the draws of this stream, `[pairs, *shape]`."""
    bits = random_bits(tuple(values.shape), stream=stream, draws=pairs, device=values.device)
    return ((bits.to(torch.float64) + 0.5) / 2.0**31 - 0.5).to(values.dtype)
