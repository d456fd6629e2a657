"""learn/bound: the multi-sample bound against all K-tuples, and its limits."""

from itertools import product

import pytest
import torch
from torch import Tensor

from bayesnn_spike.learn.bound import leave_one_out_advantages, multi_sample_bound
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.rng import Stream
from tests.ops import cases
from tests.oracles import enumeration as exact

RHO = 0.4


class Small:
    """Losses of d weights, a prior and a q, all by table; every K-tuple of weights."""

    def __init__(self, d: int) -> None:
        self.table = exact.sign_table(d)
        self.losses = cases.normal(2**d)
        self.prior, self.logits = 0.5 * cases.normal(d, seed=2), 0.8 * cases.normal(d, seed=3)

    def ratios(self, logits: Tensor) -> Tensor:
        log_prior = exact.probabilities(self.prior.tanh()).log()
        return log_prior - self.losses / RHO - exact.probabilities(logits.tanh()).log()

    def tuples(self, k: int) -> Tensor:
        return torch.tensor(list(product(range(len(self.table)), repeat=k)))

    def expected_bound(self, mu: Tensor, k: int) -> Tensor:
        tuples, q = self.tuples(k), exact.probabilities(mu)
        return q[tuples].prod(1) @ multi_sample_bound(self.ratios(mu.atanh())[tuples], RHO)


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("k", [2, 3])
def test_advantages_are_unbiased_over_all_tuples(d: int, k: int) -> None:
    """sum over K-tuples of q A_k grad log q(w_k) is the derivative of E F_K."""
    small = Small(d)
    mu = small.logits.tanh().requires_grad_()
    (wanted,) = torch.autograd.grad(small.expected_bound(mu, k), mu)
    mu = mu.detach()
    ratios, q = small.ratios(small.logits), exact.probabilities(mu)
    scores = small.table / (1 + small.table * mu)
    found = torch.zeros(d, dtype=torch.float64)
    for one in small.tuples(k):
        advantages = leave_one_out_advantages(ratios[one], RHO)
        found += q[one].prod() * (advantages[:, None] * scores[one]).sum(0)
    torch.testing.assert_close(found, wanted)


def test_one_draw_is_the_free_energy() -> None:
    small = Small(3)
    found = small.expected_bound(small.logits.tanh(), 1)
    wanted = exact.free_energy(small.logits, small.prior, small.losses, RHO)
    torch.testing.assert_close(found, wanted)


def test_it_falls_with_k_and_never_below_the_evidence() -> None:
    small = Small(2)
    _, evidence = exact.gibbs(small.prior, small.losses, RHO)
    bounds = [float(small.expected_bound(small.logits.tanh(), k)) for k in (1, 2, 3, 4, 6)]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[-1] > float(evidence)
    assert bounds[-1] - float(evidence) < 0.4 * (bounds[0] - float(evidence))


def test_many_draws_reach_the_evidence() -> None:
    small = Small(3)
    q = Bernoulli({"w": small.logits})
    draws = q.sample(200 * 2000, Stream(1))["w"].dense(torch.float64)
    places = ((draws > 0).long() * torch.tensor([4, 2, 1])).sum(1)
    found = multi_sample_bound(small.ratios(small.logits)[places].view(200, 2000), RHO)
    _, evidence = exact.gibbs(small.prior, small.losses, RHO)
    error = float(found.std()) / 200**0.5
    assert abs(float(found.mean() - evidence)) < 5 * error + 0.002  # Jensen's gap at K = 2000
    assert error < 0.005


def test_the_perfect_proposal_has_the_evidence_in_every_draw() -> None:
    """Where q is the posterior every r_k is log Z, and all advantages are equal."""
    ratios = torch.full((5,), -1.7, dtype=torch.float64)
    assert float(multi_sample_bound(ratios, RHO)) == pytest.approx(0.4 * 1.7)
    advantages = leave_one_out_advantages(ratios, RHO)
    torch.testing.assert_close(advantages, torch.full_like(ratios, RHO / 5))


def test_large_ratios_do_not_overflow() -> None:
    ratios = torch.tensor([5000.0, 4000.0, -3000.0], dtype=torch.float64)
    assert float(multi_sample_bound(ratios, 1.0)) == pytest.approx(-5000 + 1.0986122886681098)
    assert bool(torch.isfinite(leave_one_out_advantages(ratios, 1.0)).all())


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="rho must be positive"):
        multi_sample_bound(torch.zeros(3), 0.0)
    with pytest.raises(ValueError, match="log_ratios must be"):
        multi_sample_bound(torch.zeros(1, 2, 3), 1.0)
    with pytest.raises(ValueError, match="at least 2 draws, got 1"):
        leave_one_out_advantages(torch.zeros(1), 1.0)
