"""Each estimator of grad_mu E_q[L] against enumeration: which are unbiased, and by how much not.

Where an estimator is a function of exact draws, its expectation is summed over all 2^d of them, so
the comparison is exact. The others are averaged over many draws, within five standard errors.
"""

import math

import pytest
import torch
from torch import Tensor, nn

from bayesnn_spike.learn import RateCrossEntropy
from bayesnn_spike.learn.credit import Credit, Draw, credit
from bayesnn_spike.learn.estimators import (
    Flipout,
    HardStraightThrough,
    LocalReparameterisation,
    MeanParameter,
    Relaxed,
    Score,
)
from bayesnn_spike.learn.rule import leaf
from bayesnn_spike.ops.synapse import linear
from bayesnn_spike.rng import Stream
from tests.learn.rules.problems import BATCH, Problem, outputs_are_losses
from tests.ops import cases
from tests.oracles import enumeration as exact
from tests.oracles import quadratic

LOGITS = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64)
MU = LOGITS.tanh()
# On quadratics the estimators run on: A_ii mu_i is what a plain gradient adds.
EXACT = quadratic.exact_gradient(MU)
DIAGONAL = quadratic.A.diagonal() * MU


def cubic(w: Tensor) -> Tensor:
    """3.8(g): multilinear, L = w1 w2 w3 + .5 w1."""
    return w[..., 0] * w[..., 1] * w[..., 2] + 0.5 * w[..., 0]


def expectation_over_draws(problem: Problem, mu: Tensor) -> Tensor:
    """sum_w q(w) dL/dw: the exact mean of the hard straight-through estimate."""
    w = {"w": leaf(exact.sign_table(len(mu)))}
    cost, _ = credit(problem, outputs_are_losses, Draw(w, w), *BATCH)
    return exact.probabilities(mu) @ cost.grads["w"]


def monte_carlo(estimator, network, loss, logits: dict, batch, runs: int) -> tuple[Tensor, Tensor]:
    """Mean and standard error over independent streams, `[d]` each."""
    rows = []
    for seed in range(runs):
        draw = estimator.draw(logits, Stream(seed))
        cost, _ = credit(network, loss, draw, *batch)
        rows.append(exact.join(estimator.gradient(logits, draw, cost)))
    stack = torch.stack(rows)
    return stack.mean(0), stack.std(0) / math.sqrt(runs)


def assert_mean(found: tuple[Tensor, Tensor], expected: Tensor) -> None:
    mean, error = found
    assert float(((mean - expected).abs() / error).max()) < 5


@pytest.mark.parametrize("function", [cubic, quadratic.multilinear], ids=lambda f: f.__name__)
def test_hard_and_mean_parameter_are_exact_on_multilinear_losses(function) -> None:
    problem = Problem(3, function)
    wanted = exact.gradient(MU, function(exact.sign_table(3)))
    torch.testing.assert_close(expectation_over_draws(problem, MU), wanted)
    estimator, logits = MeanParameter(), {"w": LOGITS}
    draw = estimator.draw(logits, Stream(0))
    cost, _ = credit(problem, outputs_are_losses, draw, *BATCH)
    torch.testing.assert_close(estimator.gradient(logits, draw, cost)["w"], wanted)


def test_on_quadratics_hard_straight_through_adds_the_diagonal() -> None:
    found = expectation_over_draws(quadratic.quadratic_problem(), MU)
    torch.testing.assert_close(found - EXACT, DIAGONAL)


def test_hard_draws_average_to_that_expectation() -> None:
    problem, estimator = quadratic.quadratic_problem(), HardStraightThrough(200)
    found = monte_carlo(estimator, problem, outputs_are_losses, {"w": LOGITS}, BATCH, 60)
    assert_mean(found, EXACT + DIAGONAL)


REGRESSION = (torch.zeros(0), torch.zeros(quadratic.N, dtype=torch.int64))


def regression(estimator, runs: int) -> tuple[Tensor, Tensor]:
    batch = (quadratic.X[None], REGRESSION[1])
    network = quadratic.Regression()
    return monte_carlo(estimator, network, outputs_are_losses, {"w": LOGITS[None]}, batch, runs)


def test_flipout_has_the_mean_of_hard_straight_through_and_less_noise() -> None:
    flipout, hard = (regression(e, 300) for e in (Flipout(20), HardStraightThrough(20)))
    assert_mean(flipout, EXACT + DIAGONAL)
    assert_mean(hard, EXACT + DIAGONAL)
    assert bool((flipout[1] < hard[1]).all())


class Quartic(nn.Module):
    """L = mean over the examples of (w x)^4 / 4, with a weight and an input that is 1."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(1, 1, dtype=torch.float64))

    def forward(self, x: Tensor, state: None = None) -> tuple[Tensor, None]:
        return linear(x, self.w).pow(4).mean((-1, -2, -3)) / 4, None


def test_on_a_quartic_flipout_has_a_bias_of_its_own() -> None:
    """w^4 = 1, so the truth is 0; hard has E w^3 = mu; flipout the cubes of mu and 2 mu - w too.

    (E w^3 + E (2 mu - w)^3) / 2 = mu^3 + 3 mu (1 - mu^2): w - mu is skewed, its mirror is not.
    """
    mu = 0.6
    logits = {"w": torch.tensor([[mu]], dtype=torch.float64).atanh()}
    batch = (torch.ones(1, 8, 1, dtype=torch.float64), torch.zeros(8, dtype=torch.int64))
    wanted = {Flipout(20): mu**3 + 3 * mu * (1 - mu**2), HardStraightThrough(20): mu}
    assert sorted(wanted.values()) == pytest.approx([0.6, 1.368])
    for estimator, value in wanted.items():
        found = monte_carlo(estimator, Quartic(), outputs_are_losses, logits, batch, 400)
        assert_mean(found, torch.tensor([value], dtype=torch.float64))
        assert float(found[1]) < 0.05


def test_local_reparameterisation_is_exact_in_the_mean_on_quadratics() -> None:
    """A normal current of the right mean and variance gives a quadratic loss its exact mean."""
    assert_mean(regression(LocalReparameterisation(20), 300), EXACT)


@pytest.mark.parametrize("estimator", [Flipout(), LocalReparameterisation()])
def test_single_draws_of_perturbed_weights_have_the_same_mean(estimator) -> None:
    local = isinstance(estimator, LocalReparameterisation)
    assert_mean(regression(estimator, 400), EXACT if local else EXACT + DIAGONAL)


def test_the_score_is_unbiased_on_a_spiking_network() -> None:
    """sum_w q(w) L(w) w / (1 + w mu) is equation 3.3 exactly, for any loss and any baseline."""
    network, batch = exact.small_network(), exact.small_batch()
    losses = exact.all_losses(network, batch)
    mu = cases.normal(10).tanh()
    w = exact.sign_table(10)
    for baseline in (0.0, 0.7, float(losses.mean())):
        score = (losses - baseline)[:, None] * w / (1 + w * mu)
        torch.testing.assert_close(exact.probabilities(mu) @ score, exact.gradient(mu, losses))


def test_score_draws_average_to_the_exact_gradient_of_a_spiking_network() -> None:
    network, batch = exact.small_network(), exact.small_batch()
    params = exact.parameters(network)
    values = cases.normal(10) * 0.7
    logits = {n: v[0] for n, v in exact.split(values[None], params).items()}
    wanted = exact.gradient(values.tanh(), exact.all_losses(network, batch))
    found = monte_carlo(Score(400), network, RateCrossEntropy(), logits, batch, 100)
    assert_mean(found, wanted)
    assert float((found[1] / wanted.abs().max()).max()) < 0.05  # it could be seen failing


def test_the_score_points_down_on_a_linear_loss() -> None:
    """L = w: the exact gradient is +1, so that a step lowers lambda."""
    problem = Problem(1, lambda w: w[..., 0])
    zero = {"w": torch.zeros(1, dtype=torch.float64)}
    found = monte_carlo(Score(8), problem, outputs_are_losses, zero, BATCH, 200)
    assert_mean(found, torch.ones(1, dtype=torch.float64))


def test_the_baseline_takes_noise_away_and_leaves_the_mean() -> None:
    shifted = Problem(3, lambda w: quadratic.loss(w) + 1000)
    plain = quadratic.quadratic_problem()
    logits = {"w": LOGITS}
    one = monte_carlo(Score(8), shifted, outputs_are_losses, logits, BATCH, 300)
    two = monte_carlo(Score(8), plain, outputs_are_losses, logits, BATCH, 300)
    for found, expected in zip(one, two, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)
    assert_mean(one, EXACT)


# 3.5: E[ghat] of the relaxed estimator on the quadratic at lambda = (.3, -.2, .5).
RELAXED = {
    1.0: (-0.505, 0.839, -0.468),
    0.5: (-0.676, 1.044, -0.602),
    0.1: (-0.852, 1.208, -0.754),
    0.02: (-0.877, 1.218, -0.768),
}


@pytest.mark.parametrize("tau", RELAXED)
def test_the_relaxed_estimator_is_biased_on_the_quadratic_as_published(tau: float) -> None:
    problem = quadratic.quadratic_problem()
    estimator = Relaxed(tau=tau, draws=10_000)
    mean, error = monte_carlo(estimator, problem, outputs_are_losses, {"w": LOGITS}, BATCH, 20)
    expected = torch.tensor(RELAXED[tau], dtype=torch.float64)
    # The printed values have three digits; at tau .02 they are themselves Monte Carlo, +-.01.
    allowed = 5 * error + (0.03 if tau == 0.02 else 0.002)
    assert bool(((mean - expected).abs() < allowed).all())


def test_its_bias_goes_to_zero_with_tau() -> None:
    torch.testing.assert_close(
        EXACT, torch.tensor([-0.8871, 1.2343, -0.7965]).double(), rtol=0, atol=5e-5
    )
    gaps = [
        float((torch.tensor(values, dtype=torch.float64) - EXACT).norm())
        for values in RELAXED.values()
    ]
    assert gaps == sorted(gaps, reverse=True)


def test_gradients_of_k_draws_are_k_single_gradients() -> None:
    """Averaging inside an estimator is averaging over K credits of one draw each."""
    problem, logits = quadratic.quadratic_problem(), {"w": LOGITS}
    for estimator in (HardStraightThrough(6), Relaxed(0.5, 6)):
        draw = estimator.draw(logits, Stream(1))
        cost, _ = credit(problem, outputs_are_losses, draw, *BATCH)
        singles = []
        for k in range(6):
            one = {"w": leaf(draw.weights["w"][k : k + 1])}
            noise = None if draw.noise is None else {"w": draw.noise["w"][k : k + 1]}
            single, _ = credit(problem, outputs_are_losses, Draw(one, one), *BATCH)
            part = Draw(one, one, noise)
            singles.append(estimator.gradient(logits, part, Credit(*single))["w"])
        torch.testing.assert_close(
            estimator.gradient(logits, draw, cost)["w"], torch.stack(singles).mean(0)
        )
