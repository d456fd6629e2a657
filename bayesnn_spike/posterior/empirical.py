"""A finite set of networks with equal mass: deep ensembles, and samples of any origin."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from bayesnn_spike.checks import require_same_names
from bayesnn_spike.posterior.base import AbstractPosterior
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


@final
@dataclass(frozen=True)
class Empirical(AbstractPosterior):
    """n networks of mass 1/n each.

    Draws go through the members in order and start again, so that n draws are the n members.

    Args:
        weights: leaves `[n, *shape]`.

    Raises:
        ValueError: leaves differ in n, or there are none.
    """

    weights: Weights

    def __post_init__(self) -> None:
        sizes = {name: len(w) for name, w in self.weights.items()}
        if len(set(sizes.values())) != 1 or 0 in sizes.values():
            raise ValueError(f"an ensemble needs leaves of one length, at least 1, got {sizes}")

    @property
    def members(self) -> int:
        """n, the number of networks."""
        return len(next(iter(self.weights.values())))

    def sample(self, k: int, stream: Stream, *, first: int = 0) -> Weights:
        del stream  # the members are the draws
        index = torch.arange(first, first + k) % self.members
        return {name: w[index.to(w.device)] for name, w in self.weights.items()}

    def mode(self) -> Weights:
        """The first member: all have the same mass."""
        return {name: w[:1] for name, w in self.weights.items()}

    def mean(self) -> Weights:
        return {name: w.mean(0, keepdim=True) for name, w in self.weights.items()}

    def log_prob(self, weights: Weights) -> Tensor:
        require_same_names(weights, self.weights, "weights", "the posterior")
        same = torch.ones((), dtype=torch.bool)
        for name, w in self.weights.items():
            equal = weights[name][:, None] == w[None]  # [K, n, *shape]
            same = same & equal.reshape(len(equal), len(w), w[0].numel()).all(2)
        return (same.sum(1) / self.members).log()
