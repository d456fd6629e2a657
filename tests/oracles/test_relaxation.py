"""Section 3.5: the mean of the relaxed scale and of the relaxed weight, in closed form.

For a linear loss c.w the relaxed estimator has mean c E[s], so this table is its bias.
"""

import math

import pytest
import torch

from bayesnn_spike.learn.credit import Credit
from bayesnn_spike.learn.estimators import ExactScale, Relaxed
from bayesnn_spike.rng import Stream

LOGITS = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0)
# tau: E[s] and (sd[s]) at each of LOGITS, by quadrature.
TABLE = {
    2.0: ((0.4292, 0.5231, 0.8648, 3.2185, 11.53, 108.5), (0.087, 0.12, 0.27, 1.7, 8.8, 135)),
    1.0: ((0.6667, 0.7677, 1.0794, 2.3126, 4.070, 8.002), (0.30, 0.40, 0.77, 3.2, 10.6, 85)),
    0.5: ((0.8584, 0.9236, 1.0829, 1.3964, 1.5287, 1.5693), (0.71, 0.89, 1.5, 4.4, 12.5, 93)),
    0.1: ((0.9920, 0.9970, 1.0059, 1.0148, 1.0164, 1.0166), (2.4, 2.7, 3.9, 9.7, 26, 192)),
    0.01: ((0.9999, 1.0000, 1.0001, 1.0001, 1.0002, 1.0002), (8.1, 9.2, 12.6, 31, 82, 606)),
}
CELLS = [(tau, i) for tau in TABLE for i in range(len(LOGITS))]


def expectation(function, logit: float, tau: float) -> float:
    """E over delta, 2 delta logistic, by the trapezoidal rule (spectral for smooth decay)."""
    delta = torch.linspace(-25, 25, 400_001, dtype=torch.float64)
    density = 0.5 / delta.cosh().square()
    values = function(torch.full_like(delta, logit), (logit + delta) / tau)
    return float(torch.trapezoid(values * density, delta))


def scale(logit: float, tau: float, power: int = 1) -> float:
    return expectation(lambda lam, z: ExactScale()(lam, z, tau) ** power, logit, tau)


def closed_scale(logit: float) -> float:
    """E[s] at tau = 1, k = exp(2 lambda)."""
    if logit == 0:
        return 2 / 3
    k = math.exp(2 * logit)
    return (k + 1) ** 2 * ((k + 1) * math.log(k) - 2 * (k - 1)) / (k - 1) ** 3


def closed_weight(logit: float) -> float:
    """E[w~] at tau = 1."""
    k = math.exp(2 * logit)
    return 2 * k * ((k - 1) - math.log(k)) / (k - 1) ** 2 - 1


@pytest.mark.parametrize(("tau", "i"), CELLS)
def test_the_table_of_the_scale_s_mean_and_deviation(tau: float, i: int) -> None:
    mean, deviation = (row[i] for row in TABLE[tau])
    found = scale(LOGITS[i], tau)
    assert found == pytest.approx(mean, rel=6e-4 if mean > 1.5 else 1e-9, abs=6e-5)
    spread = math.sqrt(scale(LOGITS[i], tau, 2) - found**2)
    assert spread == pytest.approx(deviation, rel=0.05)


@pytest.mark.parametrize("logit", [*LOGITS, -1.0, -3.0])
def test_at_tau_one_the_mean_has_a_closed_form(logit: float) -> None:
    assert scale(logit, 1.0) == pytest.approx(closed_scale(logit), rel=1e-8)
    # The scale does not know the sign of lambda.
    assert scale(-logit, 1.0) == pytest.approx(closed_scale(logit), rel=1e-8)


def test_its_limits() -> None:
    assert closed_scale(1e-3) == pytest.approx(2 / 3, abs=1e-4)
    assert closed_scale(9.0) == pytest.approx(2 * 9.0 - 2, rel=1e-4)


@pytest.mark.parametrize(
    ("logit", "mean", "mu"),
    [(0.3, 0.197630, 0.2913), (1.0, 0.588974, 0.7616), (2.0, 0.885271, 0.9640)],
)
def test_the_relaxed_weight_is_shrunk(logit: float, mean: float, mu: float) -> None:
    assert closed_weight(logit) == pytest.approx(mean, abs=6e-7)
    assert expectation(lambda _, z: z.tanh(), logit, 1.0) == pytest.approx(mean, abs=6e-7)
    assert math.tanh(logit) == pytest.approx(mu, abs=6e-5)


@pytest.mark.parametrize("tau", [1.0, 0.5, 0.1])
def test_draws_have_these_means(tau: float) -> None:
    """3.8(f), Monte Carlo within five standard errors: E[w~], E[s], and c E[s] of a loss c.w."""
    draws, costs = 100_000, torch.tensor([0.7, -1.3, 0.2], dtype=torch.float64)
    values = (0.3, 1.0, 2.0)
    logits = {"w": torch.tensor(values, dtype=torch.float64)}
    relaxed = Relaxed(tau=tau, draws=draws)
    draw = relaxed.draw(logits, Stream(2))
    w = draw.weights["w"].detach()
    s = ExactScale()(logits["w"], draw.noise["w"], tau)
    for i, value in enumerate(values):
        mean = expectation(lambda _, z: z.tanh(), value, tau)
        assert abs(float(w[:, i].mean()) - mean) < 5 * float(w[:, i].std()) / math.sqrt(draws)
        deviation = math.sqrt(scale(value, tau, 2) - scale(value, tau) ** 2)
        assert abs(float(s[:, i].mean()) - scale(value, tau)) < 5 * deviation / math.sqrt(draws)
    grads = costs.expand(draws, 3)  # the gradient of c.w at every draw
    found = relaxed.gradient(logits, draw, Credit(torch.zeros(draws), {"w": grads}))["w"]
    torch.testing.assert_close(found, costs * s.mean(0))


@pytest.mark.parametrize("tau", [2.0, 0.5, 0.01])
def test_the_exact_scale_is_the_same_in_float32(tau: float) -> None:
    lam = torch.linspace(-15, 15, 301, dtype=torch.float64)
    z = (lam + 0.37) / tau
    exact = ExactScale()(lam, z, tau)
    found = ExactScale()(lam.float(), z.float(), tau)
    # exp(2 (|lambda| - |z|)) turns the rounding of z into 2 |z| ulps.
    error = (found.double() - exact).abs() / exact.clamp(min=1e-30)
    assert float((error / (1 + z.abs())).max()) < 1e-6
