"""learn/pyro_svi/signs: the distribution against our Bernoulli, enumeration and closed forms."""

import math

import pyro.distributions as dist
import pytest
import torch

from bayesnn_spike.learn.pyro_svi import Signs
from bayesnn_spike.posterior import Bernoulli
from tests.ops import cases
from tests.oracles import enumeration as exact

LOGITS = cases.normal(2, 3, seed=2)


def test_its_log_probability_is_that_of_our_bernoulli() -> None:
    table = exact.sign_table(6).view(-1, 2, 3)
    found = Signs(LOGITS).log_prob(table)
    torch.testing.assert_close(found, Bernoulli({"w": LOGITS}).log_prob({"w": table}).double())
    torch.testing.assert_close(found.exp().sum().item(), 1.0)


def test_its_support_is_every_sign_once() -> None:
    site = Signs(cases.normal(5, 2, 2, seed=3), 2)
    values = site.enumerate_support(expand=False)
    assert values.shape == (16, 1, 2, 2)
    assert len({tuple(v.flatten().tolist()) for v in values}) == 16
    assert site.enumerate_support().shape == (16, 5, 2, 2)
    torch.testing.assert_close(site.log_prob(values).exp().sum(0), torch.ones(5).double())


def test_its_kl_is_that_of_enumeration() -> None:
    other = cases.normal(2, 3, seed=5)
    q, p = Signs(LOGITS), Signs(other)
    values = q.enumerate_support()
    expected = (q.log_prob(values).exp() * (q.log_prob(values) - p.log_prob(values))).sum()
    torch.testing.assert_close(dist.kl.kl_divergence(q, p), expected)
    wide = Signs(cases.normal(4, 2, 3, seed=6), 2)
    rows = [dist.kl.kl_divergence(Signs(row), q) for row in wide.logits]
    torch.testing.assert_close(dist.kl.kl_divergence(wide, q.expand((4,))), torch.stack(rows))


def test_draws_are_signs_of_the_right_frequency() -> None:
    logits = torch.tensor([-1.0, 0.0, 0.4, 3.0], dtype=torch.float64)
    draws = 40_000
    with torch.random.fork_rng():
        torch.manual_seed(0)
        hard = Signs(logits).sample((draws,))
        torch.manual_seed(0)
        relaxed = Signs(logits, tau=0.5).rsample((draws,))
    assert set(hard.unique().tolist()) == {-1.0, 1.0}
    assert torch.equal(hard, relaxed)
    error = (1 - logits.tanh() ** 2).sqrt() / math.sqrt(draws)
    assert float(((hard.mean(0) - logits.tanh()).abs() / error).max()) < 5
    torch.testing.assert_close(Signs(logits).mean, logits.tanh())


@pytest.mark.parametrize("tau", [1.0, 0.5, 0.1])
def test_the_gradient_of_a_draw_is_that_of_its_relaxation(tau: float) -> None:
    logits = LOGITS.clone().requires_grad_()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        draw = Signs(logits, tau=tau).rsample((7,))
        torch.manual_seed(1)
        limits = torch.finfo(torch.float64)
        u = limits.tiny + torch.rand(7, 2, 3, dtype=torch.float64) * (1 - limits.eps - limits.tiny)
    cost = cases.normal(7, 2, 3, seed=9)
    soft = ((logits + u.logit() / 2) / tau).tanh()
    assert torch.equal(soft.sign(), draw)
    expected, found = (torch.autograd.grad((w * cost).sum(), logits)[0] for w in (soft, draw))
    torch.testing.assert_close(found, expected)


def test_draws_without_tau_have_no_gradient() -> None:
    site = Signs(LOGITS.clone().requires_grad_())
    assert not site.has_rsample
    assert not site().requires_grad
    with pytest.raises(ValueError, match="signs without a tau have no gradient"):
        site.rsample()


def test_batch_axes() -> None:
    site = Signs(LOGITS, 1, tau=0.5)
    assert (site.batch_shape, site.event_shape) == ((2,), (3,))
    wide = site.expand((4, 2))
    assert (wide.batch_shape, wide.event_shape, wide.tau) == ((4, 2), (3,), 0.5)
    assert wide().shape == (4, 2, 3)
    assert Signs(torch.zeros(3), 0).log_prob(torch.ones(3)).shape == (3,)


def test_extreme_logits_stay_finite() -> None:
    logits = torch.tensor([400.0, -400.0, 0.0], requires_grad=True)
    draw = Signs(logits, tau=1e-3).rsample((100,))
    (grad,) = torch.autograd.grad(draw.sum(), logits)
    assert bool(torch.isfinite(grad).all())
    assert draw[:, :2].unique(dim=0).tolist() == [[1.0, -1.0]]


def test_the_support_knows_its_values() -> None:
    check = Signs(LOGITS).support.check
    assert bool(check(torch.ones(2, 3)))
    assert not bool(check(torch.full((2, 3), 0.3)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Signs(LOGITS).log_prob(torch.full((2, 3), 0.3)), "are -1 or \\+1, got 0.3"),
        (lambda: Signs(LOGITS, tau=0.0), "tau must be positive"),
        (lambda: Signs(LOGITS, 3), "event_dim must lie in"),
        (lambda: Signs(torch.zeros(21)).enumerate_support(), "2\\^21 values of 21 binary weights"),
    ],
)
def test_guards(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
