"""A distribution over all sign vectors of few weights, as the table of its 2^d masses."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from bayesnn_spike.checks import require_same_names, require_shape
from bayesnn_spike.ops.draw.uniform import uniforms
from bayesnn_spike.posterior.base import AbstractPosterior
from bayesnn_spike.posterior.bernoulli import Bernoulli
from bayesnn_spike.posterior.flat import flatten, shapes_of, size_of, unflatten
from bayesnn_spike.posterior.table import (
    count_of,
    log_products,
    numbers_of,
    plus_masses,
    weights_at,
)
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


@final
@dataclass(frozen=True, eq=False)
class Exact(AbstractPosterior):
    """Any distribution on {-1, +1}^d with d <= 20.

    Args:
        log_mass: `[2^d]`, log masses up to a constant, which is taken off; -inf is no mass. Bit j
            of a vector's place is weight j, 1 for +1, in the order of `flatten`. Kept as float64.
        shapes: names and shapes of one network's weights.

    Raises:
        ValueError: more than 20 weights, another number of masses, NaN, +inf, or no mass at all.

    Oracle: tests/posterior/test_exact.py (enumeration).
    """

    log_mass: Tensor
    shapes: Mapping[str, tuple[int, ...]]

    def __post_init__(self) -> None:
        require_shape(self.log_mass, "log_mass", (count_of(self.shapes),))
        values = self.log_mass.double()
        total = values.logsumexp(0)
        if bool(values.isnan().any()) or not bool(total.isfinite()):
            raise ValueError(
                f"log masses must be numbers or -inf, one of them finite; their total is "
                f"{total.item()}"
            )
        object.__setattr__(self, "log_mass", values - total)

    @cached_property
    def _cumulative(self) -> Tensor:
        return self.log_mass.exp().cumsum(0)

    def sample(self, k: int, stream: Stream, *, first: int = 0) -> Weights:
        """Return draws by inversion of the cumulative masses, leaves `[k, *shape]`.

        Matrices and kernels come as packed `SignTensor`, vectors as float32 numbers.
        """
        u = uniforms(1, stream=stream.child("table"), draws=k, first=first)[:, 0]
        # u < 1 in steps of 2^-53, so u * total stays below the total, and nothing without mass
        # is the first whose cumulative mass is above.
        limits = self._cumulative
        numbers = torch.searchsorted(limits, u.to(limits.device) * limits[-1], right=True)
        return weights_at(numbers, self.shapes)

    def mode(self) -> Weights:
        """The most probable vector; of equals, the one with the lowest number."""
        best = self.log_mass.argmax()[None]
        return {n: w.float() for n, w in weights_at(best, self.shapes, dtype=torch.float64).items()}

    def mean(self) -> Weights:
        """E[w] in float32, for the network; `marginals` has all digits."""
        return {n: (2 * p - 1)[None].float() for n, p in self.marginals().items()}

    def marginals(self) -> Weights:
        """P(w = +1) of each weight, leaves `[*shape]` float64."""
        plus = plus_masses(self.log_mass.exp(), size_of(self.shapes))
        return {name: leaf[0] for name, leaf in unflatten(plus[None], self.shapes).items()}

    def log_prob(self, weights: Weights) -> Tensor:
        require_same_names(weights, self.shapes, "weights", "the posterior")
        return self.log_mass[numbers_of({name: weights[name] for name in self.shapes})]

    def entropy(self) -> Tensor:
        """Entropy in nats, a scalar."""
        return torch.special.entr(self.log_mass.exp()).sum()

    def kl(self, prior: Bernoulli) -> Tensor:
        """KL(self || prior) in nats, a scalar.

        Raises:
            ValueError: the prior's names or shapes differ.
        """
        return _divergence(self.log_mass, self._table_of(prior))

    def kl_from(self, approximation: Bernoulli) -> Tensor:
        """KL(approximation || self) in nats: the gap of its free energy, over rho.

        Infinite if the approximation has mass where there is none.

        Raises:
            ValueError: the approximation's names or shapes differ.
        """
        return _divergence(self._table_of(approximation), self.log_mass)

    def _table_of(self, other: Bernoulli) -> Tensor:
        require_same_names(other.logits, self.shapes, "the Bernoulli", "the posterior")
        logits = {name: other.logits[name] for name in self.shapes}
        if shapes_of(logits) != dict(self.shapes):
            raise ValueError(f"the Bernoulli has {shapes_of(logits)}, this has {self.shapes}")
        return log_products(flatten({n: v[None] for n, v in logits.items()})[0])


def _divergence(of: Tensor, towards: Tensor) -> Tensor:
    """Sum of p log(p / q) over a table; nothing where p is 0."""
    here = of > -torch.inf
    return (of[here].exp() * (of[here] - towards[here])).sum()
