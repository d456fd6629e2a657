"""Section 3.6: what the published eps does in float32, and that it makes BayesBiNN a Bop."""

import math

import pytest
import torch

from bayesnn_spike.learn import RateCrossEntropy, Temperature, learner
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.estimators import EpsScale, ExactScale, Relaxed
from bayesnn_spike.learn.initial import CoinFlip
from bayesnn_spike.learn.optimizers import Sgd
from bayesnn_spike.learn.rules import BayesBiSNN, Bop
from bayesnn_spike.models import mlp
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch
from tests.ops import cases


def scales(tau: float, logit: float, scale=EpsScale(), draws: int = 20_000) -> torch.Tensor:
    """s of many float32 draws of one weight, through the estimator."""
    logits = {"w": torch.tensor([logit])}
    estimator = Relaxed(tau, draws, scale)
    draw = estimator.draw(logits, Stream(1))
    return scale(logits["w"], draw.noise["w"], tau).double()


@pytest.mark.parametrize("logit", [15.0, -15.0, 40.0])
@pytest.mark.parametrize("tau", [1.0, 1e-2, 1e-10])
def test_saturated_weights_have_the_scale_one_over_tau(tau: float, logit: float) -> None:
    """tau 1: plain straight-through; 1e-10: the gradient times 1e10."""
    found = scales(tau, logit)
    # At tau 1 a draw in 10^5 lands where tanh is not saturated yet.
    at_rest = (found * tau - 1).abs() < 1e-6
    assert float(at_rest.double().mean()) > 0.99


def test_it_is_far_from_the_exact_scale_there() -> None:
    """(tau, lambda) = (.1, 8): mean .0021 where 1.017 is right; (.1, 10): 10."""
    exact = 1.0166
    assert float(scales(0.1, 8.0).mean()) == pytest.approx(0.0021, rel=0.2)
    assert float(scales(0.1, 10.0).mean()) == pytest.approx(10.0, rel=1e-5)
    found = scales(0.1, 5.0, ExactScale(), 400_000)
    assert float(found.mean()) == pytest.approx(exact, abs=5 * 192 / math.sqrt(400_000))


def test_below_saturation_the_two_scales_agree() -> None:
    for tau in (0.5, 1.0):
        one, two = scales(tau, 1.0), scales(tau, 1.0, ExactScale())
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


N, ETA_B = 50, 0.05


def bayesbinn(magnitude: float, tau: float = 1e-10) -> BayesBiSNN:
    """BayesBiNN's published setting in our units: eta = N eta_B, rho = 1 / N."""
    return BayesBiSNN(
        Temperature(N),
        estimator=Relaxed(tau, 1, EpsScale()),
        optimizer=Sgd(N * ETA_B),
        limit=None,
        initial=CoinFlip(magnitude),
    )


def test_the_same_gradients_give_the_signs_of_bop() -> None:
    """Open loop: lambda <- (1 - eta_B) lambda - eta_B (N / tau) g against m of Bop."""
    rule, bop = bayesbinn(40.0), Bop(ETA_B, 0.0)
    params = {"w": torch.zeros(200, dtype=torch.float64)}
    state, other = rule.init(params, Stream(3)), bop.init(params, Stream(3))
    generator = Stream(9).generator()
    agree = total = 0
    for step in range(300):
        g = torch.randn(1, 200, generator=generator, dtype=torch.float64)
        draw = rule.draw(state, Stream(step))
        state = rule.step(state, draw, Credit(torch.zeros(1), {"w": g}))
        other = bop.step(other, Draw({}, {}), Credit(torch.zeros(1), {"w": g}))
        agree += int((rule.posterior(state).mode()["w"] == other.weights["w"]).sum())
        total += 200
    assert agree / total > 0.9999
    # lambda = -(N / tau) m, up to the start that has long been forgotten.
    torch.testing.assert_close(
        state.logits["w"], -N * 1e10 * other.mean["w"][0], rtol=1e-6, atol=1e6
    )


def test_trained_on_a_network_the_two_are_one_rule() -> None:
    """Closed loop: the same weights at every step, so the same gradients, for ever."""
    network = mlp(8, (6,), 3).double()
    params = {n: p.detach() for n, p in network.named_parameters()}
    one = learner(bayesbinn(40.0), network, RateCrossEntropy())
    two = learner(Bop(ETA_B, 0.0), network, RateCrossEntropy())
    state, other = one.init(Stream(3), params), two.init(Stream(3), params)
    signs = one.posterior(state).mode()
    assert all(torch.equal(signs[n], w) for n, w in other.rule.weights.items())
    flips = 0
    for step in range(40):
        spikes = cases.spikes(5, 12, 8, seed=step, dtype=torch.float64)
        batch = Batch(spikes, torch.arange(12) % 3)
        before = other.rule.weights
        (state, info), (other, info_bop) = one.update(state, batch), two.update(other, batch)
        assert float(info.loss) == pytest.approx(float(info_bop.loss), rel=1e-9)
        mode = one.posterior(state).mode()
        for n, w in other.rule.weights.items():
            assert torch.equal(mode[n], w), (n, step)
            flips += int((before[n] != w).sum())
    assert flips > 50


def test_its_posterior_is_a_point() -> None:
    """|lambda| is astronomical: nothing of these settings says anything about uncertainty."""
    rule = bayesbinn(10.0)
    network = mlp(8, (6,), 3)
    learn = learner(rule, network, RateCrossEntropy())
    state = learn.init(Stream(3))
    for step in range(5):
        batch = Batch(cases.spikes(5, 12, 8, seed=step), torch.arange(12) % 3)
        state, _ = learn.update(state, batch)
    posterior = learn.posterior(state)
    moved = torch.cat([v.flatten() for v in posterior.logits.values()]).abs()
    assert float(moved.median()) > 1e5
    sample, mode = posterior.sample(20, Stream(0)), posterior.mode()
    differing = sum(int((sample[n].dense() != mode[n]).sum()) for n in mode)
    assert differing == 0
