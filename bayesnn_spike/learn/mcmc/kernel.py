"""What a Markov chain over binary weights is made of: a density of rows, a state, a kernel.

    init(density, signs) -> state          C chains at their starts
    step(density, state, stream) -> state  one move of every chain; pi P = pi
    current(state) -> ChainState           where the chains of the target itself are
    rows(state) -> ChainState              all rows whose densities the state holds
    counts(state) -> Counts                what was tried and done so far

All five are functions of their arguments: equal inputs give equal bits. All chains' proposals are
run together, as draws K of one call of the target.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, final

import torch
from torch import Tensor

from bayesnn_spike.learn.target import Target
from bayesnn_spike.posterior.flat import flatten, unflatten
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


class ChainState(NamedTuple):
    """Where C chains are.

    Attributes:
        signs: int8 `[C, d]`.
        log_prior: log p0 of them, `[C]` float64.
        log_likelihood: -L / rho of them, `[C]` float64.
        slopes: gradient of the log likelihood in the weights, `[C, d]` float64; `[C, 0]` for
            kernels that do not look at it.
        accepted: moves made by each chain, int64 `[C]`.
        proposed: moves tried by each chain, int64 `[C]`.
    """

    signs: Tensor
    log_prior: Tensor
    log_likelihood: Tensor
    slopes: Tensor
    accepted: Tensor
    proposed: Tensor


class Counts(NamedTuple):
    """What was tried and done since `init`.

    Attributes:
        accepted, proposed: moves of each chain of the target itself, int64 `[C]`.
        swapped, tried: exchanges between neighbouring temperatures, int64 `[R - 1]`; R is 1
            without a ladder.
    """

    accepted: Tensor
    proposed: Tensor
    swapped: Tensor
    tried: Tensor


@final
@dataclass(frozen=True, eq=False)
class Density:
    """A target as a function of rows of signs, the likelihood of each row to a power.

    Args:
        target: prior and likelihood.
        powers: `[C]` float64 exponents of the likelihood (inverse temperatures); None is 1.
    """

    target: Target
    powers: Tensor | None = None

    def weights(self, signs: Tensor) -> Weights:
        """Return rows `[C, d]` as the network's weights."""
        return unflatten(signs.to(self.target.dtype), self.target.shapes)

    def evaluate(self, signs: Tensor) -> tuple[Tensor, Tensor]:
        """Return (log prior, log likelihood to the power 1) of rows, both `[C]` float64."""
        weights = self.weights(signs)
        return self.target.log_prior(weights), self.target.log_likelihood(weights)

    def differentiate(self, signs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what `evaluate` does, and the slopes of the log likelihood, `[C, d]` float64."""
        weights = self.weights(signs)
        log_prior = self.target.log_prior(weights)
        total, slopes = self.target.with_gradient(weights)
        return log_prior, total - log_prior, flatten(slopes).double()

    def slopes(self, state: ChainState) -> Tensor:
        """Return the gradient of the log density in a state's rows, `[C, d]`."""
        found = state.slopes if self.powers is None else self.powers[:, None] * state.slopes
        prior = self.target.prior
        if prior is None:
            return found
        # log p0(w) is linear in w, with the logits for slopes.
        return found + flatten({n: v[None] for n, v in prior.logits.items()}).double()

    def log_prob(self, state: ChainState) -> Tensor:
        """Return log p0 + power * log likelihood of a state's rows, `[C]`."""
        if self.powers is None:
            return state.log_prior + state.log_likelihood
        return state.log_prior + self.powers * state.log_likelihood


class Kernel(Protocol):
    """A way to move chains; implementations are frozen dataclasses of this package."""

    def init(self, density: Density, signs: Tensor) -> Any:
        """Return the first state of C chains at signs int8 `[C, d]`."""

    def step(self, density: Density, state: Any, stream: Stream) -> Any:
        """Return the state after one move of every chain."""

    def current(self, state: Any) -> ChainState:
        """Return the chains of the target itself, C of them."""

    def rows(self, state: Any) -> ChainState:
        """Return all chains that the state keeps, at whatever temperature."""

    def counts(self, state: Any) -> Counts:
        """Return what was tried and done."""


def start_of(density: Density, signs: Tensor) -> ChainState:
    """Return chains at their starts that keep no slopes."""
    log_prior, log_likelihood = density.evaluate(signs)
    zeros = torch.zeros(len(signs), dtype=torch.int64)
    none = torch.zeros(len(signs), 0, dtype=torch.float64)
    return ChainState(signs, log_prior, log_likelihood, none, zeros, zeros)


def flipped(signs: Tensor, sites: Tensor) -> Tensor:
    """Return rows `[C, d]` with weight `sites [C]` of each turned."""
    factors = torch.ones_like(signs).scatter_(1, sites[:, None], -1)
    return signs * factors


def choose(accept: Tensor, after: ChainState, before: ChainState) -> ChainState:
    """Return `after` where `accept [C]` holds and `before` elsewhere, counted."""
    rows = [
        torch.where(accept.view(-1, *[1] * (new.ndim - 1)), new, old)
        for new, old in zip(after[:4], before[:4], strict=True)
    ]
    return ChainState(*rows, before.accepted + accept.long(), before.proposed + 1)


def without_ladder(state: ChainState) -> Counts:
    """Return the counts of a kernel that exchanges nothing."""
    nothing = torch.zeros(0, dtype=torch.int64)
    return Counts(state.accepted, state.proposed, nothing, nothing)
