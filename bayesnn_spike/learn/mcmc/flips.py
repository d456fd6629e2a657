"""Chains that flip one weight at a time: by Metropolis, by Gibbs, and led by the gradient.

The three differ in which weight they look at and in when they turn it. `log_sites` is the law of
the proposed weight and `log_ratio` what the move is accepted by; `step` uses the same two, so a
test that enumerates them has the transition matrix itself.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from bayesnn_spike.learn.mcmc.kernel import (
    ChainState,
    Counts,
    Density,
    choose,
    flipped,
    start_of,
    without_ladder,
)
from bayesnn_spike.ops.draw.uniform import uniforms
from bayesnn_spike.rng import Stream


@final
@dataclass(frozen=True)
class SingleFlip:
    """Random-scan Metropolised Gibbs: flip a weight drawn evenly with min(1, pi(w') / pi(w)).

    A step is one network a chain. It moves at least as often as Gibbs at a weight drawn evenly.

    Source: Liu 1996, "Peskun's theorem and a modified discrete-state Gibbs sampler".
    Oracle: tests/learn/mcmc/test_flips.py (transition matrix), tests/learn/mcmc/test_chains.py.
    """

    def init(self, density: Density, signs: Tensor) -> ChainState:
        return start_of(density, signs)

    def step(self, density: Density, state: ChainState, stream: Stream) -> ChainState:
        return _propose(self, density, state, stream)

    def current(self, state: ChainState) -> ChainState:
        return state

    def rows(self, state: ChainState) -> ChainState:
        return state

    def counts(self, state: ChainState) -> Counts:
        return without_ladder(state)

    def move(self, density: Density, state: ChainState, sites: Tensor) -> ChainState:
        """Return the chains with weight `sites [C]` turned, whatever they are accepted with."""
        return _turned(density, state, sites)

    def log_sites(self, density: Density, state: ChainState) -> Tensor:
        """Return log probabilities of the weights to be proposed, `[C, d]`."""
        del density  # all are alike
        size = state.signs.shape[1]
        return -torch.full(state.signs.shape, float(size), dtype=torch.float64).log()


@final
@dataclass(frozen=True)
class Gibbs:
    """Systematic-scan Gibbs: each weight in turn is drawn from its law given all the others.

    A step is one sweep: d networks a chain. A sweep keeps pi, though it is not reversible.

    Source: Geman & Geman 1984. Oracle: tests/learn/mcmc/test_flips.py (transition matrix),
    tests/learn/mcmc/test_chains.py (enumeration).
    """

    def init(self, density: Density, signs: Tensor) -> ChainState:
        return start_of(density, signs)

    def step(self, density: Density, state: ChainState, stream: Stream) -> ChainState:
        chains, size = state.signs.shape
        numbers = uniforms(size, stream=stream, draws=chains)
        for site in range(size):
            after = self.move(density, state, torch.full((chains,), site))
            turn = numbers[:, site] < self.turning(density, state, after)
            state = choose(turn, after, state)
        return state

    def current(self, state: ChainState) -> ChainState:
        return state

    def rows(self, state: ChainState) -> ChainState:
        return state

    def counts(self, state: ChainState) -> Counts:
        return without_ladder(state)

    def move(self, density: Density, state: ChainState, sites: Tensor) -> ChainState:
        """Return the chains with weight `sites [C]` turned."""
        return _turned(density, state, sites)

    def turning(self, density: Density, before: ChainState, after: ChainState) -> Tensor:
        """Return the probability that a weight ends turned, pi' / (pi + pi'), `[C]`."""
        return torch.sigmoid(density.log_prob(after) - density.log_prob(before))


@final
@dataclass(frozen=True)
class GibbsWithGradients:
    """Locally informed flips: the gradient says which flip looks good, Metropolis-Hastings decides.

    Weight i is proposed with probability softmax_i(-w_i g_i), where -2 w_i g_i estimates the change
    of the log density by turning it; g is exact for the prior and by surrogates for the network.
    The correction makes the chain exact however wrong g is. A step is one network a chain, forward
    and backward.

    Source: Grathwohl et al. 2021, "Oops I took a gradient", equations 5 to 7 and algorithm 1.
    Oracle: tests/learn/mcmc/test_flips.py (transition matrix), tests/learn/mcmc/test_chains.py.
    """

    def init(self, density: Density, signs: Tensor) -> ChainState:
        log_prior, log_likelihood, slopes = density.differentiate(signs)
        zeros = torch.zeros(len(signs), dtype=torch.int64)
        return ChainState(signs, log_prior, log_likelihood, slopes, zeros, zeros)

    def step(self, density: Density, state: ChainState, stream: Stream) -> ChainState:
        return _propose(self, density, state, stream)

    def current(self, state: ChainState) -> ChainState:
        return state

    def rows(self, state: ChainState) -> ChainState:
        return state

    def counts(self, state: ChainState) -> Counts:
        return without_ladder(state)

    def move(self, density: Density, state: ChainState, sites: Tensor) -> ChainState:
        """Return the chains with weight `sites [C]` turned, with the slopes there."""
        signs = flipped(state.signs, sites)
        return ChainState(signs, *density.differentiate(signs), state.accepted, state.proposed)

    def log_sites(self, density: Density, state: ChainState) -> Tensor:
        """Return log probabilities of the weights to be proposed, `[C, d]`."""
        return torch.log_softmax(-state.signs * density.slopes(state), dim=1)


def log_ratio(
    kernel: SingleFlip | GibbsWithGradients,
    density: Density,
    before: ChainState,
    after: ChainState,
    sites: Tensor,
) -> Tensor:
    """Return the log of the Metropolis-Hastings ratio of turning weight `sites [C]`, `[C]`."""
    gain = density.log_prob(after) - density.log_prob(before)
    there = kernel.log_sites(density, before).gather(1, sites[:, None])[:, 0]
    back = kernel.log_sites(density, after).gather(1, sites[:, None])[:, 0]
    return gain + back - there


def _propose(
    kernel: SingleFlip | GibbsWithGradients, density: Density, state: ChainState, stream: Stream
) -> ChainState:
    numbers = uniforms(2, stream=stream, draws=len(state.signs))
    limits = kernel.log_sites(density, state).exp().cumsum(1)
    places = (numbers[:, :1] * limits[:, -1:]).contiguous()
    sites = torch.searchsorted(limits, places, right=True)[:, 0]
    after = kernel.move(density, state, sites)
    accept = numbers[:, 1].log() < log_ratio(kernel, density, state, after, sites)
    return choose(accept, after, state)


def _turned(density: Density, state: ChainState, sites: Tensor) -> ChainState:
    signs = flipped(state.signs, sites)
    values = density.evaluate(signs)
    return ChainState(signs, *values, state.slopes, state.accepted, state.proposed)
