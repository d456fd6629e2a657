"""The learning rule against the enumeration of all weights of a real spiking network."""

import math
from itertools import pairwise

import pytest
import torch

from bayesnn_spike.learn import RateCrossEntropy, Temperature, learner
from bayesnn_spike.learn.initial import Given
from bayesnn_spike.learn.optimizers import Sgd
from bayesnn_spike.learn.rules import BayesBiSNN
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.rng import Stream
from tests.ops import cases
from tests.oracles import enumeration as exact
from tests.oracles.enumeration import Exact

NETWORK, BATCH = exact.small_network(), exact.small_batch()
PARAMS = exact.parameters(NETWORK)
D = 10
LOSSES = exact.all_losses(NETWORK, BATCH)
PRIOR = 0.2


def logits(seed: int = 0) -> torch.Tensor:
    return cases.normal(D, seed=seed)


def rule(examples: int, lr: float) -> BayesBiSNN:
    return BayesBiSNN(Temperature(examples), Exact(), Sgd(lr), PRIOR, None, Given())


def named(vector: torch.Tensor) -> dict[str, torch.Tensor]:
    return {n: w[0] for n, w in exact.split(vector[None], PARAMS).items()}


def run(examples: int, lr: float, start: torch.Tensor, steps: int) -> list[torch.Tensor]:
    learn = learner(rule(examples, lr), NETWORK, RateCrossEntropy())
    state = learn.init(Stream(0), named(start))
    path = [start]
    for _ in range(steps):
        state, _ = learn.update(state, BATCH)
        path.append(exact.join(state.rule.logits))
    return path


def test_the_problem_is_worth_solving() -> None:
    """All 1,024 networks were run, and their losses differ."""
    assert LOSSES.shape == (1024,)
    assert len(LOSSES.unique()) > 20
    assert float(LOSSES.max() - LOSSES.min()) > 0.5


def test_the_posterior_s_formulas_are_the_enumerated_ones() -> None:
    values = logits()
    posterior = Bernoulli(named(values))
    everything = exact.split(exact.sign_table(D), PARAMS)
    q = exact.probabilities(values.tanh())
    torch.testing.assert_close(posterior.log_prob(everything).exp(), q)
    prior = torch.full((D,), PRIOR, dtype=torch.float64)
    torch.testing.assert_close(posterior.kl(Bernoulli(named(prior))), exact.kl(values, prior))
    p = exact.probabilities(prior.tanh())
    torch.testing.assert_close(exact.kl(values, prior), (q * (q / p).log()).sum())


def test_half_differences_are_the_gradient_of_the_expected_loss() -> None:
    """Equation 3.3 against autograd through the sum over all w."""
    mu = logits().tanh().requires_grad_()
    (grad,) = torch.autograd.grad(exact.expected_loss(mu, LOSSES), mu)
    torch.testing.assert_close(exact.gradient(mu.detach(), LOSSES), grad)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_step_of_the_rule_is_the_natural_gradient_of_the_elbo(seed: int) -> None:
    """lambda <- lambda - eta Fisher^-1 dF/dlambda, with F differentiated by autograd."""
    start, lr, examples = logits(seed), 0.3, 5
    values = start.clone().requires_grad_()
    prior = torch.full((D,), PRIOR, dtype=torch.float64)
    energy = exact.free_energy(values, prior, LOSSES, 1 / examples)
    (grad,) = torch.autograd.grad(energy, values)
    natural = grad * start.cosh().square()
    torch.testing.assert_close(run(examples, lr, start, 1)[1], start - lr * natural)


@pytest.mark.parametrize("examples", [1, 5, 50])
def test_the_free_energy_never_rises_and_never_passes_the_evidence(examples: int) -> None:
    """Step 1 / (curvature + rho): mirror descent, as the entropy's curvature is at least 1."""
    rho = 1 / examples
    prior = torch.full((D,), PRIOR, dtype=torch.float64)
    _, bound = exact.gibbs(prior, LOSSES, rho)
    lr = 1 / (exact.curvature(LOSSES, D) + rho)
    energies = [
        float(exact.free_energy(values, prior, LOSSES, rho))
        for values in run(examples, lr, logits(), 60)
    ]
    assert all(b <= a + 1e-12 for a, b in pairwise(energies))
    assert energies[-1] < energies[0] - 0.05 * abs(energies[0])
    assert min(energies) >= float(bound) - 1e-12


def test_a_step_far_beyond_the_bound_can_rise() -> None:
    """The law above has teeth."""
    prior = torch.full((D,), PRIOR, dtype=torch.float64)
    lr = 100 / (exact.curvature(LOSSES, D) + 0.02)
    energies = [
        float(exact.free_energy(values, prior, LOSSES, 0.02))
        for values in run(50, lr, logits(), 20)
    ]
    assert any(b > a for a, b in pairwise(energies))


def test_where_it_comes_to_rest_the_fixed_point_equation_holds() -> None:
    """lambda* = lambda0 - grad_mu E_q L / rho."""
    values = run(2, 0.5, logits(), 120)[-1]
    expected = PRIOR - 2 * exact.gradient(values.tanh(), LOSSES)
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-10)


def test_the_bound_is_met_by_the_unrestricted_optimum() -> None:
    prior, rho = torch.full((D,), PRIOR, dtype=torch.float64), 0.1
    best, bound = exact.gibbs(prior, LOSSES, rho)
    p = exact.probabilities(prior.tanh())
    energy = best @ LOSSES + rho * (best * (best / p).log()).sum()
    torch.testing.assert_close(energy, bound)


def test_the_loss_reported_is_the_mean_over_the_draws() -> None:
    learn = learner(rule(5, 0.1), NETWORK, RateCrossEntropy())
    _, info = learn.update(learn.init(Stream(0), named(logits())), BATCH)
    assert float(info.loss) == pytest.approx(float(LOSSES.mean()), rel=1e-12)
    assert math.isfinite(float(info.loss))
