"""learn/rules/bayes_bisnn: the update equation, its closed-form solutions, its bounds."""

import math

import pytest
import torch

from bayesnn_spike.learn import Temperature, learner
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.estimators import HardStraightThrough, MeanParameter
from bayesnn_spike.learn.initial import CoinFlip, Given
from bayesnn_spike.learn.optimizers import Adam, Momentum, Sgd
from bayesnn_spike.learn.rules import BayesBiSNN
from bayesnn_spike.posterior import Bernoulli, prior_logits
from bayesnn_spike.rng import Stream
from tests.learn.rules.problems import BATCH, Problem, linear, outputs_are_losses

STREAM = Stream(5)


def rule(examples: int, lr: float, **options) -> BayesBiSNN:
    """Published step, unbounded logits, exact gradients of multilinear losses."""
    defaults = {"estimator": MeanParameter(), "limit": None, "initial": Given()}
    return BayesBiSNN(Temperature(examples), optimizer=Sgd(lr), **(defaults | options))


def run(bayes: BayesBiSNN, problem: Problem, start: list[float], steps: int) -> list[list[float]]:
    learn = learner(bayes, problem, outputs_are_losses)
    state = learn.init(STREAM, {"w": torch.tensor(start, dtype=torch.float64)})
    path = []
    for _ in range(steps):
        state, _ = learn.update(state, BATCH)
        path.append(learn.posterior(state).logits["w"].tolist())
    return path


def test_without_data_the_logits_decay_to_the_prior_geometrically() -> None:
    """3.8(a): lambda_t = lambda0 + (1 - eta rho)^t (lambda_init - lambda0), exactly."""
    path = run(rule(4, 0.5, prior_logits=0.3), linear([0.0, 0.0]), [2.0, -1.0], 10)
    for t, found in enumerate(path, start=1):
        expected = [0.3 + (1 - 0.5 / 4) ** t * (start - 0.3) for start in (2.0, -1.0)]
        assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("start", [-3.0, 0.0, 0.7, 20.0])
def test_one_weight_reaches_its_posterior_in_one_step(start: float) -> None:
    """3.8(b): L(+1) = .2, L(-1) = .9, rho = .25, lambda0 = .1: lambda* = 1.5, P = .952574127."""
    problem = Problem(1, lambda w: 0.55 - 0.35 * w[..., 0])
    for path in run(rule(4, 4.0, prior_logits=0.1), problem, [start], 3):
        assert path == pytest.approx([1.5], abs=1e-12)
    assert 1 / (1 + math.exp(-3.0)) == pytest.approx(0.952574127, abs=1e-9)


@pytest.mark.parametrize("estimator", [MeanParameter(), HardStraightThrough(3)])
def test_a_linear_loss_is_solved_in_one_step(estimator) -> None:
    """3.8(c): lambda* = lambda0 - c / rho."""
    c = [0.4, -1.2, 0.05, 0.0]
    (found,) = run(
        rule(10, 10.0, prior_logits=-0.2, estimator=estimator), linear(c), [1, -2, 0, 3], 1
    )
    assert found == pytest.approx([-0.2 - 10 * value for value in c], abs=1e-12)


@pytest.mark.parametrize("beta", [0.0, 0.9])
def test_the_form_of_bayesbinn_is_ours_in_other_units(beta: float) -> None:
    """eta = N eta_B, rho = r / N; m <- b m + (1 - b)(N g + r (lambda - lambda0))."""
    n, r, eta_b, prior, g = 50, 0.7, 1e-2, 0.3, torch.tensor([0.3, -0.02, 0.4])
    g = g.double()
    bayes = BayesBiSNN(
        Temperature(n, tempering=r),
        estimator=HardStraightThrough(),
        optimizer=Momentum(n * eta_b, beta),
        prior_logits=prior,
        limit=None,
        initial=Given(),
    )
    state = bayes.init({"w": torch.tensor([1.0, -2.0, 0.1], dtype=torch.float64)}, STREAM)
    logits, m = state.logits["w"].clone(), torch.zeros(3, dtype=torch.float64)
    for t in range(1, 30):
        g = -0.9 * g.roll(1)
        state = bayes.step(state, Draw({}, {}), Credit(torch.zeros(1), {"w": g[None]}))
        m = beta * m + (1 - beta) * (n * g + r * (logits - prior))
        logits = logits - eta_b * m / (1 - beta**t)
        torch.testing.assert_close(state.logits["w"], logits, rtol=1e-12, atol=1e-12)


def test_gradients_of_draws_are_averaged() -> None:
    grads = torch.tensor([[1.0, 2.0], [3.0, -2.0]], dtype=torch.float64)
    bayes = rule(1, 0.5, estimator=HardStraightThrough(2))
    state = bayes.init({"w": torch.tensor([0.2, -0.4], dtype=torch.float64)}, STREAM)
    state = bayes.step(state, Draw({}, {}), Credit(torch.zeros(2), {"w": grads}))
    # lambda - .5 (mean g + lambda)
    assert state.logits["w"].tolist() == pytest.approx([0.1 - 1.0, -0.2 - 0.0])


def test_adam_takes_the_whole_natural_gradient() -> None:
    """Its first step is lr times the sign of grad + rho (lambda - lambda0): the prior counts."""
    bayes = BayesBiSNN(
        Temperature(1), optimizer=Adam(0.25, eps=1e-12), prior_logits=1.0, initial=Given()
    )
    state = bayes.init({"w": torch.tensor([0.0, 0.0, 2.0])}, STREAM)
    grads = torch.tensor([[0.5, 1.5, 0.0]])
    state = bayes.step(state, Draw({}, {}), Credit(torch.zeros(1), {"w": grads}))
    assert state.logits["w"].tolist() == pytest.approx([0.25, -0.25, 1.75])


def test_logits_stay_within_the_limit_and_none_lets_them_go() -> None:
    for limit, expected in ((3.0, [3.0, -3.0]), (None, [20.0, -20.0])):
        bayes = rule(10**9, 10.0, limit=limit)
        (found,) = run(bayes, linear([-2.0, 2.0]), [0.0, 0.0], 1)
        assert found == pytest.approx(expected, abs=1e-6)


def test_a_tempering_of_zero_leaves_the_prior_out() -> None:
    bayes = BayesBiSNN(
        Temperature(10, tempering=0.0), MeanParameter(), Sgd(1.0), 5.0, None, Given()
    )
    assert run(bayes, linear([0.0]), [2.0], 3) == [[2.0]] * 3


def test_the_posterior_is_bernoulli_and_a_copy() -> None:
    bayes = BayesBiSNN(Temperature(1), initial=CoinFlip(2.0), prior_logits=prior_logits(0.9))
    state = bayes.init({"w": torch.ones(2, 3)}, STREAM)
    posterior = bayes.posterior(state)
    assert isinstance(posterior, Bernoulli)
    assert set(posterior.logits["w"].abs().unique().tolist()) == {2.0}
    posterior.logits["w"].zero_()
    assert bool((state.logits["w"] != 0).all())
    torch.testing.assert_close(state.prior["w"], torch.full((2, 3), 0.5 * math.log(9)))


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_limit_is_positive(limit: float) -> None:
    with pytest.raises(ValueError, match=r"BayesBiSNN\.limit must be positive"):
        BayesBiSNN(Temperature(10), limit=limit)
