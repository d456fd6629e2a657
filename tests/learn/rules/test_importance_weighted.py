"""learn/rules/importance_weighted: its step is unbiased, and it ends where its objective ends."""

from itertools import product

import pytest
import torch

from bayesnn_spike.learn import Temperature, learner
from bayesnn_spike.learn.bound import multi_sample_bound
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.initial import Given
from bayesnn_spike.learn.optimizers import Adam, Sgd
from bayesnn_spike.learn.rules import ImportanceWeighted
from bayesnn_spike.rng import Stream
from tests.learn.rules.problems import BATCH, Problem, outputs_are_losses
from tests.oracles import enumeration as exact
from tests.oracles import quadratic

RHO, LOGITS = 0.5, torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64)
TEMPERATURE = Temperature(2)


def rule(draws: int, **options) -> ImportanceWeighted:
    defaults = {"optimizer": Sgd(1.0), "prior_logits": 0.2, "limit": None, "initial": Given()}
    return ImportanceWeighted(TEMPERATURE, draws, **(defaults | options))


def table() -> tuple[torch.Tensor, torch.Tensor]:
    signs = exact.sign_table(3)
    return signs, quadratic.loss(signs)


@pytest.mark.parametrize("k", [2, 3])
def test_the_mean_step_over_all_tuples_is_the_gradient_of_the_bound(k: int) -> None:
    signs, losses = table()
    prior = torch.full((3,), 0.2, dtype=torch.float64)
    tuples = torch.tensor(list(product(range(8), repeat=k)))
    mu = LOGITS.tanh().requires_grad_()
    ratios = exact.probabilities(prior.tanh()).log() - losses / RHO - exact.probabilities(mu).log()
    bound = exact.probabilities(mu)[tuples].prod(1) @ multi_sample_bound(ratios[tuples], RHO)
    (wanted,) = torch.autograd.grad(bound, mu)
    chances = exact.probabilities(mu.detach())[tuples].prod(1)
    bayes = rule(k)
    state = bayes.init({"w": LOGITS}, Stream(0))
    found = torch.zeros(3, dtype=torch.float64)
    for chance, one in zip(chances, tuples, strict=True):
        after = bayes.step(state, Draw({"w": signs[one]}, {}), Credit(losses[one], {}))
        found += chance * (LOGITS - after.logits["w"])  # a plain step of size 1
    torch.testing.assert_close(found, wanted)


def test_draws_average_to_the_gradient_over_100000_draws() -> None:
    """Pairs of the rule's own draws; how often each of the 64 came is compared, five sigma."""
    signs, losses = table()
    state = rule(2).init({"w": LOGITS}, Stream(0))
    drawn = rule(100_000).draw(state, Stream(5)).weights["w"]
    places = ((drawn > 0).long() * torch.tensor([4, 2, 1])).sum(1).view(-1, 2)
    counts = torch.bincount(8 * places[:, 0] + places[:, 1], minlength=64).double()
    tuples = torch.tensor(list(product(range(8), repeat=2)))
    after = [
        rule(2).step(state, Draw({"w": signs[i]}, {}), Credit(losses[i], {})).logits["w"]
        for i in tuples
    ]
    steps = LOGITS - torch.stack(after)
    chances = exact.probabilities(LOGITS.tanh())[tuples].prod(1)
    wanted = chances @ steps
    error = (chances @ (steps - wanted).square() / len(places)).sqrt()
    found = counts @ steps / counts.sum()
    assert float(((found - wanted).abs() / error).max()) < 5
    assert float((error / wanted.abs()).max()) < 0.05  # it could be seen failing


def mean_step_of_one_weight(value: float, k: int) -> float:
    """E of a plain step of size 1 from lambda = value, over all K-tuples of one weight."""
    signs = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    losses = 0.55 - 0.35 * signs[:, 0]  # L(+1) = .2, L(-1) = .9
    state = rule(k).init({"w": torch.tensor([value], dtype=torch.float64)}, Stream(0))
    q = exact.probabilities(state.logits["w"].tanh())
    total = 0.0
    for one in product(range(2), repeat=k):
        draw = Draw({"w": signs[list(one)]}, {})
        after = rule(k).step(state, draw, Credit(losses[list(one)], {})).logits["w"]
        total += float(q[list(one)].prod() * (after - state.logits["w"]))
    return total


@pytest.mark.parametrize("k", [2, 4])
def test_one_weight_rests_at_its_posterior_and_nowhere_near(k: int) -> None:
    """q can be the posterior of one weight, lambda* = lambda0 + .35 / rho: the bound is tight."""
    best = 0.2 + 0.35 / RHO
    assert mean_step_of_one_weight(best, k) == pytest.approx(0, abs=1e-12)
    assert mean_step_of_one_weight(best - 0.3, k) > 0.01
    assert mean_step_of_one_weight(best + 0.3, k) < -0.01


def test_it_learns() -> None:
    """From the wrong side, one weight comes to its posterior's; Adam at 0.05, the last 200."""
    problem = Problem(1, lambda w: 0.55 - 0.35 * w[..., 0])
    learn = learner(rule(8, optimizer=Adam(0.05)), problem, outputs_are_losses)
    state = learn.init(Stream(3), {"w": torch.full((1,), -0.5, dtype=torch.float64)})
    tail = []
    for step in range(400):
        state, _ = learn.update(state, BATCH)
        if step >= 200:
            tail.append(float(learn.posterior(state).logits["w"]))
    assert sum(tail) / len(tail) == pytest.approx(0.2 + 0.35 / RHO, abs=0.3)


def test_what_has_no_meaning_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 draws"):
        rule(1)
    with pytest.raises(ValueError, match="rho must be positive"):
        ImportanceWeighted(Temperature(2, tempering=0.0))
    with pytest.raises(ValueError, match=r"BayesBiSNN\.limit must be positive"):
        rule(2, limit=-1.0)
