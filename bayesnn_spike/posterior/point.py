"""All mass on one network: what point rules end with."""

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
class Point(AbstractPosterior):
    """One network.

    Args:
        weights: leaves `[*shape]`.
    """

    weights: Weights

    def sample(self, k: int, stream: Stream, *, first: int = 0) -> Weights:
        del stream, first  # every draw is the same
        return {name: w[None].repeat(k, *([1] * w.ndim)) for name, w in self.weights.items()}

    def mode(self) -> Weights:
        return {name: w[None] for name, w in self.weights.items()}

    def mean(self) -> Weights:
        return self.mode()

    def log_prob(self, weights: Weights) -> Tensor:
        """Log of the point mass: 0 at the network, -inf elsewhere, `[K]`."""
        require_same_names(weights, self.weights, "weights", "the posterior")
        same = torch.ones((), dtype=torch.bool)
        for name, w in self.weights.items():
            same = same & (weights[name] == w).reshape(len(weights[name]), w.numel()).all(1)
        return torch.where(same, 0.0, -torch.inf)
