"""The score function, also called REINFORCE, with a leave-one-out baseline."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.estimators._draws import hard
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


def score(logits: Tensor, w: Tensor) -> Tensor:
    """grad_mu log q(w) = w / (1 + w mu) of exact draws w `[K, *shape]`.

    Written as w (1 + exp(-2 w lambda)) / 2, which does not cancel.
    """
    return w * (1 + torch.exp(-2 * w * logits)) / 2


@final
@dataclass(frozen=True)
class Score:
    """(L_k - mean of the other losses) w / (1 + w mu): unbiased, needs no gradient of L.

    Args:
        draws: K, at least 2, for the leave-one-out baseline.

    Source: Williams 1992; Kool et al. 2019 for the baseline.
    Oracle: tests/oracles/test_estimators.py.
    """

    draws: int = 8

    def __post_init__(self) -> None:
        if self.draws < 2:
            raise ValueError(f"the leave-one-out baseline needs at least 2 draws, got {self.draws}")

    def draw(self, logits: Weights, stream: Stream) -> Draw:
        return Draw(hard(logits, stream, self.draws), {})

    def gradient(self, logits: Weights, draw: Draw, credit: Credit) -> Weights:
        losses = credit.losses
        others = (losses.sum() - losses) / (len(losses) - 1)
        return weighted_scores(losses - others, logits, draw.weights, 1 / len(losses))


def weighted_scores(advantage: Tensor, logits: Weights, weights: Weights, scale: float) -> Weights:
    """scale * sum_k advantage_k grad_mu log q(w_k), leaves `[*shape]`; advantage is `[K]`."""
    return {
        name: (advantage.view(-1, *([1] * values.ndim)) * score(values, weights[name])).sum(0)
        * scale
        for name, values in logits.items()
    }
