"""The Bayesian rule on the multi-sample, importance-weighted bound in place of the free energy.

    minimise  E F_K = -rho E log (1/K) sum_k p0(w_k) exp(-L(w_k) / rho) / q(w_k),   w_k ~ q

It is a rule of its own and not an estimator, because F_K is another objective: prior and likelihood
stand in one logarithm, and no term rho (lambda - lambda_0) is added. For K = 1 it would be the free
energy; the larger K, the less q is asked to be a posterior and the more a proposal that covers it.
"""

from dataclasses import dataclass
from typing import final

from torch import Tensor

from bayesnn_spike.checks import require_positive
from bayesnn_spike.learn.bound import leave_one_out_advantages
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.estimators import Score
from bayesnn_spike.learn.estimators.score import weighted_scores
from bayesnn_spike.learn.initial import CoinFlip, Initial
from bayesnn_spike.learn.optimizers import Adam, Optimizer
from bayesnn_spike.learn.rules.bayes_bisnn import BayesBiSNN, BayesState
from bayesnn_spike.learn.temperature import Temperature
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


@final
@dataclass(frozen=True)
class ImportanceWeighted:
    """lambda moves along grad_mu E F_K, estimated from losses alone with a leave-one-out baseline.

    The loss stands inside exp(-L / rho), so that it has to be that of all data: with mini-batches
    the estimate is biased, and with many examples one draw of the K has all the weight. It is for
    small problems and full batches.

    Args:
        temperature: where rho comes from; not 0.
        draws: K, at least 2.
        optimizer, prior_logits, limit, initial: as in `BayesBiSNN`.

    Raises:
        ValueError: fewer than two draws, or rho of 0.

    Source: Burda, Grosse and Salakhutdinov 2016 for the bound; Mnih and Rezende 2016 (VIMCO) for
        its gradient. Oracle: tests/learn/rules/test_importance_weighted.py.
    """

    temperature: Temperature
    draws: int = 8
    optimizer: Optimizer = Adam(0.3, beta1=0.95, eps=1e-12)
    prior_logits: float = 0.0
    limit: float | None = 5.0
    initial: Initial = CoinFlip(2.0)

    def __post_init__(self) -> None:
        require_positive(self.temperature.rho, "rho")
        _ = self._rule  # its guards

    @property
    def _rule(self) -> BayesBiSNN:
        return BayesBiSNN(
            self.temperature,
            Score(self.draws),
            self.optimizer,
            self.prior_logits,
            self.limit,
            self.initial,
        )

    def init(self, params: Weights, stream: Stream) -> BayesState:
        return self._rule.init(params, stream)

    def draw(self, state: BayesState, stream: Stream) -> Draw:
        return self._rule.draw(state, stream)

    def step(self, state: BayesState, draw: Draw, credit: Credit) -> BayesState:
        ratios = log_ratios(state, draw.weights, credit.losses, self.temperature.rho)
        advantages = leave_one_out_advantages(ratios, self.temperature.rho)
        first = next(iter(state.logits.values()))
        natural = weighted_scores(advantages.to(first.dtype), state.logits, draw.weights, 1.0)
        return self._rule.move(state, natural)

    def posterior(self, state: BayesState) -> Bernoulli:
        return self._rule.posterior(state)


def log_ratios(state: BayesState, weights: Weights, losses: Tensor, rho: float) -> Tensor:
    """r_k = log p0(w_k) - L_k / rho - log q(w_k), `[K]`, float64, of draws `[K, *shape]`."""
    doubles = {n: w.double() for n, w in weights.items()}
    prior, q = (
        Bernoulli({n: v.double() for n, v in logits.items()}).log_prob(doubles)
        for logits in (state.prior, state.logits)
    )
    return prior - losses.double() / rho - q
