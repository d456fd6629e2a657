"""learn/estimators/gumbel_rao: the mean scale given the sign, against noise and closed forms."""

import math

import pytest
import torch

from bayesnn_spike.learn.credit import Credit
from bayesnn_spike.learn.estimators import (
    ExactScale,
    GumbelRao,
    GumbelStraightThrough,
    gumbel_rao,
)
from bayesnn_spike.learn.estimators.gumbel_rao import mean_scale
from bayesnn_spike.rng import Stream
from tests.ops import cases

DRAWS = 100_000


@pytest.mark.parametrize("tau", [0.2, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("value", [0.0, 0.6, -1.5])
def test_it_is_the_mean_scale_of_straight_through_gumbel_given_the_sign(
    tau: float, value: float
) -> None:
    logits = torch.tensor([value], dtype=torch.float64)
    draw = GumbelStraightThrough(tau, DRAWS).draw({"w": logits}, Stream(1))
    s = ExactScale()(logits, draw.noise["w"], tau)
    for sign in (-1.0, 1.0):
        given = s[draw.leaves["w"].detach() == sign]
        error = float(given.std()) / len(given) ** 0.5
        assert abs(float(given.mean() - mean_scale(sign * logits, tau))) < 5 * error
        assert len(given) > 1000


# 3.5: E[s] by quadrature, without regard to the sign, at lambda = 0, .5, 1, 2, 3, 5.
UNCONDITIONAL = {
    2.0: (0.4292, 0.5231, 0.8648, 3.2185, 11.53, 108.5),
    1.0: (0.6667, 0.7677, 1.0794, 2.3126, 4.070, 8.002),
    0.5: (0.8584, 0.9236, 1.0829, 1.3964, 1.5287, 1.5693),
    0.1: (0.9920, 0.9970, 1.0059, 1.0148, 1.0164, 1.0166),
    0.01: (0.9999, 1.0000, 1.0001, 1.0001, 1.0002, 1.0002),
}


@pytest.mark.parametrize("tau", UNCONDITIONAL)
def test_over_both_signs_it_is_the_published_mean(tau: float) -> None:
    logits = torch.tensor([0, 0.5, 1, 2, 3, 5], dtype=torch.float64)
    p = torch.sigmoid(2 * logits)
    found = p * mean_scale(logits, tau) + (1 - p) * mean_scale(-logits, tau)
    torch.testing.assert_close(found, torch.tensor(UNCONDITIONAL[tau]).double(), rtol=5e-4, atol=0)


def test_at_temperature_0_it_is_one_over_twice_the_probability() -> None:
    a = torch.linspace(-5, 5, 21, dtype=torch.float64)
    torch.testing.assert_close(mean_scale(a, 0.0), 1 / (1 + a.tanh()))
    torch.testing.assert_close(mean_scale(a, 1e-4), mean_scale(a, 0.0), rtol=1e-3, atol=0)


@pytest.mark.parametrize("tau", [0.05, 0.5, 0.999, 1.0, 2.0])
def test_float32_and_large_logits_keep_five_digits(tau: float) -> None:
    """Against a trapezoid rule of 200,000 points in the noise itself."""
    for value in (-10.0, -2.0, 0.0, 3.0, 10.0):
        end = 40.0 + 2 * abs(value)
        v = torch.linspace(0, end, 200_001, dtype=torch.float64)
        a = torch.tensor(value, dtype=torch.float64)
        s = ExactScale()(a, v / tau, tau)
        density = 0.5 / torch.cosh(v - a) ** 2 / torch.sigmoid(2 * a)
        wanted = float(torch.trapezoid(s * density, v))
        for dtype in (torch.float32, torch.float64):
            found = float(mean_scale(a.to(dtype), tau))
            assert found == pytest.approx(wanted, rel=2e-5), (value, dtype)


def test_the_gradient_weighs_each_draw_by_its_sign() -> None:
    logits = {"a": torch.tensor([0.3, -1.2], dtype=torch.float64)}
    draw = GumbelRao(0.7, 5).draw(logits, Stream(2))
    g = cases.normal(5, 2)
    found = GumbelRao(0.7, 5).gradient(logits, draw, Credit(torch.zeros(5), {"a": g}))["a"]
    w = draw.leaves["a"].detach()
    assert torch.equal(found, (mean_scale(w * logits["a"], 0.7) * g).mean(0))
    assert {-1.0, 1.0} == set(w.flatten().tolist())
    assert math.isfinite(float(found.sum()))


def test_large_parameters_go_over_the_nodes_in_blocks(monkeypatch) -> None:
    a = torch.linspace(-3, 3, 7, dtype=torch.float64)
    whole = mean_scale(a, 0.5)
    for block in (1, 20, 100):
        monkeypatch.setattr(gumbel_rao, "_AT_ONCE", block)
        torch.testing.assert_close(mean_scale(a, 0.5), whole, rtol=1e-13, atol=0)
