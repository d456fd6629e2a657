"""Parallel tempering: copies of every chain at higher temperatures that exchange their weights."""

from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from bayesnn_spike.checks import require_positive
from bayesnn_spike.learn.mcmc.kernel import ChainState, Counts, Density, Kernel
from bayesnn_spike.ops.draw.uniform import uniforms
from bayesnn_spike.rng import Stream


class TemperedState(NamedTuple):
    """C chains at R temperatures.

    Attributes:
        replicas: the state of C * R chains; chain c at rung r is row c * R + r.
        swapped: exchanges made between rungs r and r + 1, over all chains, int64 `[R - 1]`.
        tried: exchanges tried, int64 `[R - 1]`.
        turn: steps made, int64 `[]`: even and odd pairs take turns.
    """

    replicas: ChainState
    swapped: Tensor
    tried: Tensor
    turn: Tensor


@final
@dataclass(frozen=True)
class Tempered:
    """Replica exchange around a kernel; only the chains at power 1 are draws of the target.

    Rung r has the density p0(w) exp(-powers[r] L(w) / rho): the prior is never tempered, so a last
    power of 0 draws from it. After every step of the kernel, neighbours exchange their weights with
    probability min(1, exp((powers[r] - powers[s]) (l_s - l_r))), l the log likelihoods; pairs
    (0, 1), (2, 3), ... and pairs (1, 2), (3, 4), ... take turns.

    Args:
        kernel: moves every replica; not a `Tempered` itself.
        powers: exponents of the likelihood, falling from exactly 1, none below 0.
        every: steps of the kernel between two rounds of exchanges; a step of this is all of them.

    Raises:
        ValueError: powers that do not fall from 1, or a count below 1.
        TypeError: a ladder within a ladder.

    Source: Geyer 1991; turns of even and odd pairs: Syed et al. 2022, "Non-reversible parallel
    tempering". Oracle: tests/learn/mcmc/test_tempered.py (joint transition matrix).
    """

    kernel: Kernel
    powers: tuple[float, ...] = (1.0, 0.5, 0.25, 0.125)
    every: int = 1

    def __post_init__(self) -> None:
        falls = all(a > b for a, b in zip(self.powers, self.powers[1:], strict=False))
        if not self.powers or self.powers[0] != 1 or not falls or not self.powers[-1] >= 0:
            raise ValueError(f"powers must fall from 1 and stay at 0 or above, got {self.powers}")
        require_positive(self.every, "every")
        if isinstance(self.kernel, Tempered):
            raise TypeError("a ladder of temperatures takes a plain kernel, got another ladder")

    def init(self, density: Density, signs: Tensor) -> TemperedState:
        rungs = len(self.powers)
        replicas = self.kernel.init(
            self.hot(density, len(signs)), signs.repeat_interleave(rungs, 0)
        )
        zeros = torch.zeros(rungs - 1, dtype=torch.int64)
        return TemperedState(replicas, zeros, zeros, torch.zeros((), dtype=torch.int64))

    def step(self, density: Density, state: TemperedState, stream: Stream) -> TemperedState:
        rungs = len(self.powers)
        replicas = state.replicas
        hot = self.hot(density, len(replicas.signs) // rungs)
        for index in range(self.every):
            replicas = self.kernel.step(hot, replicas, stream.child("move", index))
        return self._exchange(state._replace(replicas=replicas), stream.child("exchange"))

    def current(self, state: TemperedState) -> ChainState:
        return ChainState(*(leaf[:: len(self.powers)] for leaf in state.replicas))

    def rows(self, state: TemperedState) -> ChainState:
        return state.replicas

    def counts(self, state: TemperedState) -> Counts:
        cold = self.current(state)
        return Counts(cold.accepted, cold.proposed, state.swapped, state.tried)

    def hot(self, density: Density, chains: int) -> Density:
        """Return the density of all replicas of some chains."""
        return Density(
            density.target, torch.tensor(self.powers, dtype=torch.float64).repeat(chains)
        )

    def exchange_probability(self, log_likelihood: Tensor) -> Tensor:
        """Return how likely rungs r and r + 1 exchange, `[C, R - 1]`, from l `[C, R]`."""
        powers = torch.tensor(self.powers, dtype=torch.float64)
        gain = (powers[:-1] - powers[1:]) * (log_likelihood[:, 1:] - log_likelihood[:, :-1])
        return gain.clamp(max=0).exp()

    def _exchange(self, state: TemperedState, stream: Stream) -> TemperedState:
        rungs = len(self.powers)
        likelihood = state.replicas.log_likelihood.view(-1, rungs)
        chains = len(likelihood)
        pairs = torch.arange(rungs - 1)
        asked = pairs % 2 == int(state.turn) % 2
        numbers = uniforms(max(rungs - 1, 1), stream=stream, draws=chains)[:, : rungs - 1]
        swap = (numbers < self.exchange_probability(likelihood)) & asked
        place = torch.arange(rungs).repeat(chains, 1)
        place[:, :-1] += swap.long()
        place[:, 1:] -= swap.long()
        rows = (place + rungs * torch.arange(chains)[:, None]).flatten()
        moved = [leaf[rows] for leaf in state.replicas[:4]]  # counts belong to rungs: they stay
        return TemperedState(
            ChainState(*moved, state.replicas.accepted, state.replicas.proposed),
            state.swapped + swap.sum(0),
            state.tried + chains * asked.long(),
            state.turn + 1,
        )
