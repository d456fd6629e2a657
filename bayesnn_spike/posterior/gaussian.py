"""Independent normal weights: the mean-field comparator for full-precision networks."""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from bayesnn_spike.checks import require_finite, require_same_names, require_shape
from bayesnn_spike.ops.draw import random_bits
from bayesnn_spike.posterior.base import AbstractPosterior
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


@final
@dataclass(frozen=True)
class Gaussian(AbstractPosterior):
    """q(w) = prod_i N(w_i; means_i, 1 / precisions_i).

    Args:
        means: by name, leaves `[*shape]`, finite.
        precisions: inverse variances, of the same names and shapes, finite and positive.

    Raises:
        ValueError: names or shapes differ, a value is NaN or infinite, a precision not positive.

    Oracle: tests/posterior/test_gaussian.py (torch.distributions, and draws against their law).
    """

    means: Weights
    precisions: Weights

    def __post_init__(self) -> None:
        require_same_names(self.precisions, self.means, "precisions", "the means")
        for name, values in self.means.items():
            precision = self.precisions[name]
            require_shape(precision, f"precisions[{name!r}]", tuple(values.shape))
            require_finite(values, f"means[{name!r}]")
            require_finite(precision, f"precisions[{name!r}]")
            if bool((precision <= 0).any()):
                raise ValueError(
                    f"precisions[{name!r}] must be positive, the least is {float(precision.min())}"
                )

    def sample(self, k: int, stream: Stream, *, first: int = 0) -> Weights:
        found = {}
        for name, values in self.means.items():
            noise = standard_normal(values, stream.child(name), k, first)
            found[name] = values + noise / self.precisions[name].sqrt()
        return found

    def mode(self) -> Weights:
        return self.mean()

    def mean(self) -> Weights:
        return {name: values.clone()[None] for name, values in self.means.items()}

    def log_prob(self, weights: Weights) -> Tensor:
        """Return the log density of each draw, `[K]`, nats."""
        require_same_names(weights, self.means, "weights", "the posterior's means")
        total = torch.zeros(())
        for name, values in self.means.items():
            draws, precision = weights[name], self.precisions[name]
            require_shape(draws, f"weights[{name!r}]", (len(draws), *values.shape))
            terms = (
                precision.log() - math.log(2 * math.pi) - precision * (draws - values) ** 2
            ) / 2
            total = total + terms.reshape(len(draws), values.numel()).sum(1)
        return total

    def kl(self, prior: "Gaussian") -> Tensor:
        """KL(self || prior) in nats, summed over all weights; a scalar.

        sum_i (s0/s - 1 - log(s0/s) + s0 (m - m0)^2) / 2 with the precisions s and s0.

        Raises:
            ValueError: the prior's names or shapes differ.
        """
        require_same_names(prior.means, self.means, "the prior", "the posterior's means")
        total = torch.zeros(())
        for name, values in self.means.items():
            before, s0 = prior.means[name], prior.precisions[name]
            require_shape(before, f"prior means[{name!r}]", tuple(values.shape))
            ratio = s0 / self.precisions[name]
            terms = (ratio - 1 - ratio.log() + s0 * (values - before) ** 2) / 2
            total = total + terms.sum()
        return total


def standard_normal(like: Tensor, stream: Stream, draws: int, first: int = 0) -> Tensor:
    """Return standard normal numbers `[K, *shape]`; weight i in draw k depends on (stream, k, i).

    The inverse normal distribution function of the 31-bit words behind the binary draws: no value
    lies beyond 6.3 standard deviations.
    """
    bits = random_bits(
        tuple(like.shape), stream=stream, draws=draws, first=first, device=like.device
    )
    return torch.special.ndtri((bits.double() + 0.5) / 2.0**31).to(like.dtype)
