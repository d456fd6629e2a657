"""Independent Bernoulli weights on {-1, +1}: the mean-field posterior of Bayes-BiSNN."""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from bayesnn_spike.checks import require_finite, require_same_names, require_shape
from bayesnn_spike.posterior.base import AbstractPosterior
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights
from bayesnn_spike.weights import DrawnSigns, dense


@final
@dataclass(frozen=True)
class Bernoulli(AbstractPosterior):
    """q(w) = prod_i exp(logits_i w_i) / (2 cosh logits_i).

    Args:
        logits: natural parameters (half log-odds) by name, leaves `[*shape]`, finite.

    Raises:
        ValueError: a logit is NaN or infinite.

    Oracle: tests/posterior/test_bernoulli.py (enumeration).
    """

    logits: Weights

    def __post_init__(self) -> None:
        for name, values in self.logits.items():
            require_finite(values, f"logits[{name!r}]")

    def sample(self, k: int, stream: Stream, *, first: int = 0) -> Weights:
        """Return draws as `DrawnSigns` `[k, *shape]`: made where they are used, one bit a weight.

        `.dense()` makes numbers of them.
        """
        return {
            name: DrawnSigns.of(values, stream.child(name), k, first)
            for name, values in self.logits.items()
        }

    def mode(self) -> Weights:
        return {name: signs(values)[None] for name, values in self.logits.items()}

    def mean(self) -> Weights:
        return {name: values.tanh()[None] for name, values in self.logits.items()}

    def log_prob(self, weights: Weights) -> Tensor:
        require_same_names(weights, self.logits, "weights", "the posterior's logits")
        total = torch.zeros(())
        for name, values in self.logits.items():
            draws = dense(weights[name])
            require_shape(draws, f"weights[{name!r}]", (len(draws), *values.shape))
            terms = logsigmoid(2 * draws * values)
            total = total + terms.reshape(len(draws), values.numel()).sum(1)
        return total

    def kl(self, prior: "Bernoulli") -> Tensor:
        """KL(self || prior) in nats, summed over all weights; a scalar.

        sum_i mu_i (logits_i - prior_i) - log cosh logits_i + log cosh prior_i, computed as
        sum_w q(w) log(q(w) / p0(w)), which does not cancel for logits of thousands.

        Raises:
            ValueError: the prior's names or shapes differ.
        """
        require_same_names(prior.logits, self.logits, "the prior", "the posterior's logits")
        total = torch.zeros(())
        for name, values in self.logits.items():
            before = prior.logits[name]
            require_shape(before, f"prior logits[{name!r}]", tuple(values.shape))
            for w in (-2.0, 2.0):
                log_ratio = logsigmoid(w * values) - logsigmoid(w * before)
                total = total + (torch.sigmoid(w * values) * log_ratio).sum()
        return total

    def entropy(self) -> Tensor:
        """Entropy in nats, summed over all weights; a scalar."""
        total = torch.zeros(())
        for values in self.logits.values():
            for w in (-2.0, 2.0):
                total = total - (torch.sigmoid(w * values) * logsigmoid(w * values)).sum()
        return total


def signs(logits: Tensor) -> Tensor:
    """-1 or +1; sign(0) is +1."""
    return (logits >= 0).to(logits.dtype).mul_(2).sub_(1)


def logcosh(x: Tensor) -> Tensor:
    """log cosh x without overflow."""
    x = x.abs()
    return x + torch.log1p(torch.exp(-2 * x)) - math.log(2)
