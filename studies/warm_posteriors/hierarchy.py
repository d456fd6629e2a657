"""First-layer logits that are a function of few Gaussian numbers: signs that lean together.

    p(z) = N(0, 1), w | z independent signs with logits f(z)
    q(z) = N(m, s^2), w | z independent signs with logits f(z) + d (d may be left out)
    KL(q || p) = KL(q(z) || p(z)) + E_q(z) KL(q(w | z) || p(w | z))

The signs share z, in the prior and in the posterior, so neither is a mean field. All that is
learned is paid for: at tempering 1 this is variational Bayes. Without hyper-prior z is a point, the
prior of the signs is the fair coin, and the logits are merely restricted to the values of f.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, final

import torch
from torch import Tensor

from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.estimators import Flipout
from bayesnn_spike.learn.initial import CoinFlip, initialise
from bayesnn_spike.learn.optimizers import Adam
from bayesnn_spike.learn.temperature import Temperature
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.posterior.base import AbstractPosterior
from bayesnn_spike.posterior.bernoulli import logcosh, signs
from bayesnn_spike.posterior.gaussian import standard_normal
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights
from bayesnn_spike.weights import dense

FIRST = "input.weight"


class Function(Protocol):
    """The map f; z has standard normal leaves."""

    def shapes(self, units: int) -> dict[str, tuple[int, ...]]:
        """Return the shapes of z's leaves."""

    def logits(self, z: Weights) -> Tensor:
        """Return f(z), `[units, 2 * 34 * 34]`."""


@dataclass(frozen=True)
class Structure:
    """What a variant says of its first layer.

    Attributes:
        function: f.
        hyper: z is random and paid for; else a point, under fair coins.
        deviations: every weight has a logit d of its own beside f.
        lr: first step size of m and log s.
    """

    function: Function
    hyper: bool = True
    deviations: bool = True
    lr: float = 0.05

    def __post_init__(self) -> None:
        if self.deviations and not self.hyper:
            raise ValueError("a point z with deviations is a logit a weight: leave one of them out")


class HierarchyState(NamedTuple):
    """m and log s by leaf of z, d and the other layers' logits, and the two optimizers' states."""

    mean: Weights
    log_std: Weights
    logits: Weights
    slow: Any
    fast: Any


@final
@dataclass(frozen=True)
class Hierarchical:
    """The rule: natural gradients for d and the other layers, reparameterised ones for q(z).

    Attributes:
        temperature: where rho comes from.
        structure: of the first layer.
        slow: optimizer of m and log s.
        fast: optimizer of the logits.
        limit: bound of the logits that are a weight's own.
    """

    temperature: Temperature
    structure: Structure
    slow: Adam
    fast: Adam
    limit: float = 5.0
    estimator: Flipout = Flipout()

    def init(self, params: Weights, stream: Stream) -> HierarchyState:
        shapes = self.structure.function.shapes(len(params[FIRST]))
        empty = {name: torch.zeros(shape) for name, shape in shapes.items()}
        mean = {n: standard_normal(v, stream.child("z", n), 1)[0] for n, v in empty.items()}
        log_std = {n: torch.full_like(v, -1.0) for n, v in empty.items()}
        logits = initialise(CoinFlip(2.0), params, stream)
        if not self.structure.deviations:
            logits[FIRST] = torch.zeros_like(logits[FIRST])
        slow = self.slow.init(_both(mean, log_std))
        return HierarchyState(mean, log_std, logits, slow, self.fast.init(logits))

    def draw(self, state: HierarchyState, stream: Stream) -> Draw:
        noise = self._noise(state, stream)
        leaning = self.structure.function.logits(self._z(state, noise))
        logits = state.logits | {FIRST: leaning + state.logits[FIRST]}
        return self.estimator.draw(logits, stream)._replace(noise=noise)

    def step(self, state: HierarchyState, draw: Draw, credit: Credit) -> HierarchyState:
        rho, noise = self.temperature.rho, draw.noise
        data = {name: credit.grads[name].mean(0) for name in state.logits}
        own = {n: torch.add(data[n], v, alpha=rho) for n, v in state.logits.items()}
        leaves = _both(state.mean, state.log_std)
        leaves = {n: v.clone().requires_grad_() for n, v in leaves.items()}
        with torch.enable_grad():
            now = state._replace(mean=_of(leaves, "mean"), log_std=_of(leaves, "log_std"))
            leaning = self.structure.function.logits(self._z(now, noise))
            total = leaning + state.logits[FIRST]
            mu = total.detach().tanh()
            with torch.no_grad():
                back = (1 - mu.square()) * data[FIRST]
                if not self.structure.hyper:
                    back = back + rho * (1 - mu.square()) * total
                elif self.structure.deviations:
                    d = state.logits[FIRST]
                    back = back + rho * ((1 - mu.square()) * d - mu + leaning.tanh())
            objective = (back * leaning).sum()
            if self.structure.hyper:
                objective = objective + rho * hyper_kl(now)
        found = torch.autograd.grad(
            objective, list(leaves.values()), allow_unused=True, materialize_grads=True
        )
        moved, slow = self.slow.step(
            {n: v.detach() for n, v in leaves.items()},
            dict(zip(leaves, found, strict=True)),
            state.slow,
        )
        logits, fast = self.fast.step(state.logits, own, state.fast)
        logits = {n: v.clamp_(-self.limit, self.limit) for n, v in logits.items()}
        if not self.structure.deviations:
            logits[FIRST] = torch.zeros_like(logits[FIRST])
        return HierarchyState(_of(moved, "mean"), _of(moved, "log_std"), logits, slow, fast)

    def posterior(self, state: HierarchyState) -> "LeaningSigns":
        return LeaningSigns(self, state)

    def cost(self, state: HierarchyState, stream: Stream, draws: int = 10) -> tuple[float, float]:
        """Return nats for the weights given z, mean over draws, and nats for z."""
        own = {n: v for n, v in state.logits.items() if n != FIRST}
        nats = float(Bernoulli(own).kl(Bernoulli({n: torch.zeros_like(v) for n, v in own.items()})))
        d = state.logits[FIRST]
        for i in range(draws):
            f = self.structure.function.logits(self._z(state, self._noise(state, stream.child(i))))
            prior = f if self.structure.hyper else torch.zeros_like(f)
            away = f + d - prior
            terms = (f + d).tanh() * away - logcosh(f + d) + logcosh(prior)
            nats += float(terms.sum(dtype=torch.float64)) / draws
        return nats, float(hyper_kl(state)) if self.structure.hyper else 0.0

    def _noise(self, state: HierarchyState, stream: Stream) -> Weights:
        if not self.structure.hyper:
            return {n: torch.zeros_like(v) for n, v in state.mean.items()}
        return {n: standard_normal(v, stream.child("z", n), 1)[0] for n, v in state.mean.items()}

    @staticmethod
    def _z(state: HierarchyState, noise: Weights) -> Weights:
        return {n: m + state.log_std[n].exp() * noise[n] for n, m in state.mean.items()}


@final
@dataclass(frozen=True, eq=False)
class LeaningSigns(AbstractPosterior):
    """z from q(z), then signs given z: what has been learned."""

    rule: Hierarchical
    state: HierarchyState

    def sample(self, k: int, stream: Stream, *, first: int = 0) -> Weights:
        draws = []
        for i in range(first, first + k):
            one = stream.child("draw", i)
            noise = self.rule._noise(self.state, one)
            draws.append(Bernoulli(self._logits(noise)).sample(1, one))
        return {n: torch.cat([dense(draw[n]) for draw in draws]) for n in self.state.logits}

    def mode(self) -> Weights:
        """Signs of the logits at the mean of z."""
        return {n: signs(v)[None] for n, v in self._logits(self._none()).items()}

    def mean(self) -> Weights:
        """Means of the signs at the mean of z."""
        return {n: v.tanh()[None] for n, v in self._logits(self._none()).items()}

    def log_prob(self, weights: Weights) -> Tensor:
        """Refused: an integral over z without a closed form."""
        del weights
        raise TypeError("signs that share z have no log probability in closed form")

    def _none(self) -> Weights:
        return {n: torch.zeros_like(v) for n, v in self.state.mean.items()}

    def _logits(self, noise: Weights) -> Weights:
        z = self.rule._z(self.state, noise)
        leaning = self.rule.structure.function.logits(z)
        return self.state.logits | {FIRST: leaning + self.state.logits[FIRST]}


def hyper_kl(state: HierarchyState) -> Tensor:
    """KL(q(z) || N(0, 1)) in nats."""
    total = torch.zeros(())
    for name, mean in state.mean.items():
        log_std = state.log_std[name]
        total = total + (((2 * log_std).exp() + mean.square() - 1) / 2 - log_std).sum()
    return total


def _both(mean: Weights, log_std: Weights) -> Weights:
    return {f"{part} {n}": v for part, leaves in (("mean", mean), ("log_std", log_std))
            for n, v in leaves.items()}  # fmt: skip


def _of(leaves: Weights, part: str) -> Weights:
    return {n.removeprefix(f"{part} "): v for n, v in leaves.items() if n.startswith(f"{part} ")}
