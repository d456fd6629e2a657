"""The answer of a set of networks: members' probabilities, their mean, and its uncertainty."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


@final
@dataclass(frozen=True, eq=False)
class Predictive:
    """Class probabilities of N examples from K networks.

    Attributes:
        probabilities: `[N, C]`, pooled as `pooling` says.
        members: `[K, N, C]`, each network's own.
        pooling: the formula that made the probabilities.

    Oracle: tests/predict/test_predictive.py.
    """

    probabilities: Tensor
    members: Tensor
    pooling: str

    def total(self) -> Tensor:
        """Entropy of the members' mean, `[N]`, nats."""
        return entropy(_mean(self.members))

    def aleatoric(self) -> Tensor:
        """Mean entropy of the members, `[N]`, nats: what more draws would not settle."""
        return _mean(entropy(self.members))

    def epistemic(self) -> Tensor:
        """total - aleatoric, the mutual information of label and weights, `[N]`, nats, at least 0.

        Where all members say the same it is exactly 0: a network cannot disagree with itself.
        """
        return (self.total() - self.aleatoric()).clamp(min=0)

    def standard_error(self) -> Tensor | None:
        """Monte-Carlo standard error of the members' mean, `[N, C]`; None for one member."""
        k = len(self.members)
        return None if k < 2 else self.members.std(0) / k**0.5

    def classes(self) -> Tensor:
        """The most probable class, `[N]`."""
        return self.probabilities.argmax(-1)


def _mean(values: Tensor) -> Tensor:
    """Mean over the first axis, exact where all values are equal."""
    return values[0] + (values - values[0]).mean(0)


def entropy(probabilities: Tensor) -> Tensor:
    """Entropy in nats along the last axis; 0 log 0 is 0."""
    return torch.special.entr(probabilities).sum(-1)
