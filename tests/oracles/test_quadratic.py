"""Problem 3.8(d): every golden number, through the learner."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from bayesnn_spike.learn import Temperature, learner
from bayesnn_spike.learn.credit import Credit
from bayesnn_spike.learn.estimators import MeanParameter
from bayesnn_spike.learn.initial import Given
from bayesnn_spike.learn.optimizers import Sgd
from bayesnn_spike.learn.rules import BayesBiSNN
from bayesnn_spike.rng import Stream
from tests.learn.rules.problems import BATCH, Problem, outputs_are_losses
from tests.oracles import enumeration as exact
from tests.oracles import quadratic
from tests.oracles.enumeration import Exact

LOSSES = quadratic.loss(exact.sign_table(3))


def run(examples: int, lr: float, steps: int, problem: Problem, estimator) -> list[Tensor]:
    """The path of lambda from zero, with the prior (.2, 0, -.1)."""
    rule = BayesBiSNN(Temperature(examples), estimator, Sgd(lr), 0.0, None, Given())
    learn = learner(rule, problem, outputs_are_losses)
    state = learn.init(Stream(0))
    state = state._replace(rule=state.rule._replace(prior={"w": quadratic.PRIOR}))
    path = [state.rule.logits["w"]]
    for _ in range(steps):
        state, _ = learn.update(state, BATCH)
        path.append(state.rule.logits["w"])
    return path


def assert_near(found: Tensor, expected, digits: int = 6) -> None:
    expected = torch.as_tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.6 * 10**-digits)


def test_its_matrices() -> None:
    upper = [0.96371882, -0.13227513, -0.43461829, 0.86923658, -0.37792895, 0.86923658]
    assert_near(quadratic.A[torch.triu(torch.ones(3, 3)).bool()], upper, 8)
    assert_near(quadratic.B, [0.71239607, -1.44746788, 0.74452003], 8)
    assert_near(quadratic.C0, 1.56953893, 8)


def test_its_eight_losses() -> None:
    table = [1.985261, 2.121315, 5.900605, 4.524943, 1.694255, 0.091837, 5.080499, 1.966364]
    assert_near(LOSSES, table)
    assert_near(quadratic.multilinear(exact.sign_table(3)), LOSSES, 12)
    w = exact.sign_table(3)
    assert_near((w @ quadratic.A * w).sum(1) / 2 - w @ quadratic.B + quadratic.C0, LOSSES, 12)


def test_expected_loss_and_gradient_are_the_closed_forms() -> None:
    mu = torch.tensor([0.3, -0.8, 0.1], dtype=torch.float64)
    assert_near(quadratic.expected_loss(mu), exact.expected_loss(mu, LOSSES), 12)
    assert_near(quadratic.exact_gradient(mu), exact.gradient(mu, LOSSES), 12)


@pytest.mark.parametrize(
    ("problem", "estimator"),
    [
        (quadratic.multilinear_problem(), MeanParameter()),
        (quadratic.quadratic_problem(), Exact()),
    ],
    ids=["mean parameter", "enumeration"],
)
def test_the_path_of_the_exact_gradient_is_the_golden_one(problem: Problem, estimator) -> None:
    path = run(1, 0.5, 3, problem, estimator)
    assert_near(path[1], [0.456198, -0.723734, 0.322260])
    assert_near(path[2], [0.711046, -0.998490, 0.459167])
    assert_near(path[3], [0.854707, -1.101405, 0.540897])


@pytest.mark.parametrize(
    ("examples", "logits", "energy", "bound", "digits"),
    [
        (1, [1.063065, -1.119505, 0.681354], 1.65693328, 1.60785364, 8),
        (4, [4.252575, -3.755322, 3.105787], 0.59222266, 0.59211719, 8),
    ],
    ids=["rho 1", "rho 1/4"],
)
def test_where_it_comes_to_rest(examples, logits, energy, bound, digits) -> None:
    rho = 1 / examples
    lr = quadratic.clamp_free_bound(rho)
    found = run(examples, lr, 400, quadratic.multilinear_problem(), MeanParameter())[-1]
    assert_near(found, logits)
    assert_near(exact.free_energy(found, quadratic.PRIOR, LOSSES, rho), energy, digits)
    best, lowest = exact.gibbs(quadratic.PRIOR, LOSSES, rho)
    assert_near(lowest, bound, digits)
    if examples == 1:
        assert_near(found.tanh(), [0.786834, -0.807397, 0.592399])
        assert_near(best @ exact.sign_table(3), [0.727814, -0.788686, 0.533548])
        assert energy - bound == pytest.approx(0.0490796, abs=6e-8)


@pytest.mark.parametrize("examples", [1, 4, 100])
@pytest.mark.parametrize("share", [1.0, 0.3])
def test_the_free_energy_falls_at_every_step_within_the_bound(examples: int, share: float) -> None:
    """eta <= 1 / (||A - diag A||_2 + rho); and F never goes below -rho log Z."""
    rho = 1 / examples
    lr = share * quadratic.clamp_free_bound(rho)
    path = run(examples, lr, 200, quadratic.multilinear_problem(), MeanParameter())
    energies = [float(exact.free_energy(v, quadratic.PRIOR, LOSSES, rho)) for v in path]
    _, bound = exact.gibbs(quadratic.PRIOR, LOSSES, rho)
    assert all(b <= a + 1e-13 for a, b in pairwise(energies))
    assert all(e >= float(bound) - 1e-13 for e in energies)
    assert energies[-1] < energies[0]


def test_the_diagonal_is_where_the_mean_parameter_goes_wrong() -> None:
    """Run on the quadratic as it is, it returns A mu - b: A_ii mu_i too much."""
    mu = torch.tensor([0.3, -0.8, 0.1], dtype=torch.float64)
    estimator = MeanParameter()
    logits = {"w": mu.atanh()}
    draw = estimator.draw(logits, Stream(0))
    (grad,) = torch.autograd.grad(quadratic.loss(draw.weights["w"]).sum(), draw.leaves["w"])
    found = estimator.gradient(logits, draw, Credit(torch.zeros(1), {"w": grad}))["w"]
    assert_near(found, quadratic.A @ mu - quadratic.B, 12)
    bias = found - quadratic.exact_gradient(mu)
    assert_near(bias, quadratic.A.diagonal() * mu, 12)
    wrong = run(1, 0.5, 200, quadratic.quadratic_problem(), MeanParameter())[-1]
    assert not torch.allclose(
        wrong, torch.tensor([1.063065, -1.119505, 0.681354]).double(), atol=0.05
    )
