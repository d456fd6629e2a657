"""Bayes-BiSNN: the Bayesian learning rule for Bernoulli weights on {-1, +1}.

    q(w) = prod_i exp(lambda_i w_i) / (2 cosh lambda_i),   mu = tanh(lambda)
    F(q) = E_q[L(w)] + rho KL(q || prior),   L the mean loss
    natural gradient in lambda = gradient in mu = grad_mu E_q[L] + rho (lambda - lambda_0)

An estimator gives grad_mu E_q[L] from the drawn weights; an optimizer moves lambda along the sum.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, final

import torch

from bayesnn_spike.checks import require_positive
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.estimators import Estimator, HardStraightThrough
from bayesnn_spike.learn.initial import CoinFlip, Initial, initialise
from bayesnn_spike.learn.optimizers import Adam, Optimizer
from bayesnn_spike.learn.temperature import Temperature
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


class BayesState(NamedTuple):
    """Natural parameters, those of the prior, leaves `[*shape]`, and the optimizer's state."""

    logits: Weights
    prior: Weights
    optimizer: Any


@final
@dataclass(frozen=True)
class BayesBiSNN:
    """lambda <- clamp(lambda - step(grad_mu E_q[L] + rho (lambda - lambda_0)), -limit, limit).

    Args:
        temperature: where rho comes from.
        estimator: of grad_mu E_q[L]; `learn/estimators/`.
        optimizer: `Sgd(lr)` or `Momentum(lr, beta)` as published, or Adam on the natural gradient,
            which copes with gradient scales that differ by layer and pixel.
        prior_logits: lambda_0 of every weight; `prior_logits(p0)` turns a probability into it.
        limit: bound of |lambda|; None leaves it free. A bound keeps weights able to change and a
            later task able to move them.
        initial: first lambda.

    Source: Meng et al. 2020 (BayesBiNN), Jang et al. 2021 (BiSNN); equation (*) of both. In
    BayesBiNN's units lr = N lr_B and rho = r / N. Oracle: tests/learn/rules/test_bayes_bisnn.py.
    """

    temperature: Temperature
    estimator: Estimator = HardStraightThrough()
    optimizer: Optimizer = Adam(0.3, beta1=0.95, eps=1e-12)
    prior_logits: float = 0.0
    limit: float | None = 5.0
    initial: Initial = CoinFlip(2.0)

    def __post_init__(self) -> None:
        if self.limit is not None:
            require_positive(self.limit, "BayesBiSNN.limit")

    def init(self, params: Weights, stream: Stream) -> BayesState:
        logits = initialise(self.initial, params, stream)
        prior = {n: torch.full_like(v, self.prior_logits) for n, v in logits.items()}
        return BayesState(logits, prior, self.optimizer.init(logits))

    def draw(self, state: BayesState, stream: Stream) -> Draw:
        return self.estimator.draw(state.logits, stream)

    def step(self, state: BayesState, draw: Draw, credit: Credit) -> BayesState:
        rho = self.temperature.rho
        data = self.estimator.gradient(state.logits, draw, credit)
        natural = {
            n: torch.add(data[n], v - state.prior[n], alpha=rho) if rho else data[n]
            for n, v in state.logits.items()
        }
        return self.move(state, natural)

    def move(self, state: BayesState, natural: Weights) -> BayesState:
        """Step against a natural gradient `{name: [*shape]}` and keep the bound."""
        logits, optimizer = self.optimizer.step(state.logits, natural, state.optimizer)
        if self.limit is not None:
            logits = {n: v.clamp_(-self.limit, self.limit) for n, v in logits.items()}
        return BayesState(logits, state.prior, optimizer)

    def posterior(self, state: BayesState) -> Bernoulli:
        return Bernoulli({n: v.clone() for n, v in state.logits.items()})


def consolidate(state: BayesState, rule: BayesBiSNN) -> BayesState:
    """Make the posterior the prior of the next task; the optimizer starts afresh.

    The next task needs a rule whose temperature counts its own examples. With no data the logits
    then stay where they are. Source: variational continual learning with equation (*).
    Oracle: tests/learn/rules/test_bayes_bisnn_continual.py (sequential equals joint).
    """
    prior = {n: v.clone() for n, v in state.logits.items()}
    return BayesState(
        {n: v.clone() for n, v in state.logits.items()}, prior, rule.optimizer.init(state.logits)
    )
