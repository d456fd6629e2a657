"""Estimators at exact draws against enumeration: 10^5 draws, five standard errors, two problems.

Where the law of the draws is small enough it is summed instead, and the comparison is exact.
"""

from itertools import product
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from bayesnn_spike.learn import RateCrossEntropy
from bayesnn_spike.learn.credit import Credit, Draw, credit
from bayesnn_spike.learn.estimators import (
    Arm,
    DisArm,
    Flipout,
    GumbelRao,
    GumbelStraightThrough,
    HardStraightThrough,
    LocalReparameterisation,
    MeanParameter,
    Relaxed,
    Score,
)
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch, Weights
from bayesnn_spike.weights import FlipoutWeight
from tests.learn.rules.problems import BATCH, outputs_are_losses
from tests.ops import cases
from tests.oracles import enumeration as exact
from tests.oracles import quadratic
from tests.oracles.many_draws import block_estimates, mean_and_error

DRAWS, BLOCKS = 100_000, 100


class Case(NamedTuple):
    """A problem at fixed logits, with the truth."""

    network: nn.Module
    loss: object
    batch: Batch
    logits: Weights
    losses: Tensor  # of all 2^d weights
    truth: Tensor  # grad_mu E_q L

    @property
    def values(self) -> Tensor:
        return exact.join(self.logits)

    def estimates(self, estimator) -> Tensor:
        network, loss, batch, logits = self[:4]
        return block_estimates(estimator, network, loss, logits, batch, BLOCKS)


def quadratic_case() -> Case:
    values = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64)
    losses = quadratic.loss(exact.sign_table(3))
    truth = quadratic.exact_gradient(values.tanh())
    network = quadratic.quadratic_problem()
    return Case(network, outputs_are_losses, BATCH, {"w": values}, losses, truth)


def spiking_case() -> Case:
    network, batch = exact.small_network(), exact.small_batch()
    values = cases.normal(10) * 0.7
    logits = {n: v[0] for n, v in exact.split(values[None], exact.parameters(network)).items()}
    losses = exact.all_losses(network, batch)
    truth = exact.gradient(values.tanh(), losses)
    return Case(network, RateCrossEntropy(), batch, logits, losses, truth)


CASES = {"quadratic": quadratic_case(), "spiking": spiking_case()}
both = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def expectation(case: Case, estimator) -> Tensor:
    """sum_w q(w) estimate(w) of an estimator that looks at single exact draws only."""
    weights = exact.split(exact.sign_table(len(case.values)), case.logits)
    leaves = {n: w.requires_grad_() for n, w in weights.items()}
    cost, _ = credit(case.network, case.loss, Draw(leaves, leaves), *case.batch)
    count = len(case.losses)
    q = exact.probabilities(case.values.tanh())
    scaled = {n: g * q.view(-1, *([1] * (g.ndim - 1))) * count for n, g in cost.grads.items()}
    return exact.join(
        estimator.gradient(case.logits, Draw(leaves, leaves), Credit(cost.losses, scaled))
    )


def sign_patterns(shape: tuple[int, ...]) -> Tensor:
    """s r of every r (inputs) and s (units) `[n, *shape]`; r is one sign a weight of a vector."""
    units, inputs = shape if len(shape) == 2 else (1, *shape)
    r, s = exact.sign_table(inputs), exact.sign_table(units)
    return torch.einsum("si,rj->srij", s, r).reshape(-1, *shape).unique(dim=0)


def flipout_expectation(case: Case) -> Tensor:
    """sum_w q(w) dL/dw at mu + s r (w - mu), over all s and r.

    Examples have their own s and r, and their losses are averaged: the mean is that of one pattern.
    """
    table = exact.split(exact.sign_table(len(case.values)), case.logits)
    q = exact.probabilities(case.values.tanh())
    means = {n: v.tanh() for n, v in case.logits.items()}
    found = []
    for patterns in product(*(sign_patterns(tuple(v.shape)) for v in case.logits.values())):
        signs = dict(zip(case.logits, patterns, strict=True))
        w = {n: (means[n] + signs[n] * (table[n] - means[n])).requires_grad_() for n in means}
        cost, _ = credit(case.network, case.loss, Draw(w, w), *case.batch)
        found.append(torch.cat([torch.tensordot(q, g, 1).flatten() for g in cost.grads.values()]))
    return torch.stack(found).mean(0)


def bias(case: Case, mean: Tensor) -> float:
    """||E estimate - truth|| / ||truth||."""
    return float((mean - case.truth).norm() / case.truth.norm())


def all_pairs(values: Tensor) -> tuple[Tensor, Tensor]:
    """Every antithetic pair `[3^d, 2, d]` and its probability: agree on the sign, or +-, or -+."""
    states = torch.tensor(list(product(range(3), repeat=len(values))))
    sides = values.sign() + (values == 0)
    table = torch.stack((torch.stack((sides, sides)),
                         torch.tensor([[1.0], [-1.0]]).expand(2, len(values)),
                         torch.tensor([[-1.0], [1.0]]).expand(2, len(values))))  # fmt: skip
    discord = 1 / (1 + torch.exp(2 * values.abs()))
    chance = torch.stack((1 - 2 * discord, discord, discord))
    columns = torch.arange(len(values))
    return table[states, :, columns].transpose(1, 2), chance[states, columns].prod(1)


def losses_of(case: Case, weights: Tensor) -> Tensor:
    """L of rows of signs `[n, d]`, from the table of all of them."""
    places = 2 ** torch.arange(weights.shape[1] - 1, -1, -1)
    return case.losses[((weights > 0).long() * places).sum(1)]


@both
def test_disarm_summed_over_all_pairs_is_the_exact_gradient(case: Case) -> None:
    pairs, chances = all_pairs(case.values)
    assert float(chances.sum()) == pytest.approx(1)
    first, second = losses_of(case, pairs[:, 0]), losses_of(case, pairs[:, 1])
    # Each pair alone, weighed by its probability times their number: the mean over pairs sums.
    rows = exact.split(pairs.flatten(0, 1), case.logits)
    centred = torch.stack((first - second, torch.zeros_like(first)), 1)
    weighed = (centred * chances[:, None] * len(chances)).flatten()
    found = DisArm().gradient(case.logits, Draw(rows, {}), Credit(weighed, {}))
    torch.testing.assert_close(exact.join(found), case.truth)


UNBIASED = [Score(DRAWS), Arm(DRAWS // 2), DisArm(DRAWS // 2)]


@both
@pytest.mark.parametrize("estimator", UNBIASED, ids=lambda e: type(e).__name__)
def test_what_needs_losses_alone_is_unbiased_over_100000_draws(case: Case, estimator) -> None:
    mean, error = mean_and_error(case.estimates(estimator))
    assert float(((mean - case.truth).abs() / error).max()) < 5
    assert float(error.max() / case.truth.abs().max()) < 0.05  # it could be seen failing


@both
def test_disarm_has_less_noise_than_arm(case: Case) -> None:
    arm, disarm = (case.estimates(e).var(0) for e in (Arm(DRAWS // 2), DisArm(DRAWS // 2)))
    assert bool((disarm < arm).all())


@both
@pytest.mark.parametrize("tau", [0.2, 1.0])
def test_gumbel_rao_has_the_mean_of_straight_through_gumbel_and_less_noise(
    case: Case, tau: float
) -> None:
    wanted = expectation(case, GumbelRao(tau))
    noisy, calm = (
        case.estimates(e) for e in (GumbelStraightThrough(tau, DRAWS), GumbelRao(tau, DRAWS))
    )
    for found in (noisy, calm):
        mean, error = mean_and_error(found)
        assert float(((mean - wanted).abs() / error).max()) < 5
    assert bool((calm.var(0) < noisy.var(0)).all())


def test_gumbel_rao_at_0_is_exact_on_quadratics() -> None:
    case = CASES["quadratic"]
    torch.testing.assert_close(expectation(case, GumbelRao(0.0)), case.truth)
    mean, error = mean_and_error(case.estimates(GumbelRao(0.0, DRAWS)))
    assert float(((mean - case.truth).abs() / error).max()) < 5


def test_hard_straight_through_is_unbiased_on_multilinear_losses_over_100000_draws() -> None:
    case = CASES["quadratic"]._replace(network=quadratic.multilinear_problem())
    mean, error = mean_and_error(case.estimates(HardStraightThrough(DRAWS)))
    assert float(((mean - case.truth).abs() / error).max()) < 5


# ||bias|| / ||gradient||, of exact sums to three digits.
BIASED = {
    "quadratic": {
        HardStraightThrough(): 0.3026,
        Flipout(): 0.3026,
        GumbelRao(1.0): 0.4425,
        GumbelRao(0.2): 0.0966,
    },
    "spiking": {
        HardStraightThrough(): 0.5045,
        Flipout(): 0.473,
        GumbelRao(1.0): 0.392,
        GumbelRao(0.0): 0.1892,
    },
}


@pytest.mark.parametrize("name", CASES)
def test_slopes_between_the_signs_are_biased_by_what_is_stated(name: str) -> None:
    case = CASES[name]
    for estimator, size in BIASED[name].items():
        flips = isinstance(estimator, Flipout)
        mean = flipout_expectation(case) if flips else expectation(case, estimator)
        found = bias(case, mean)
        assert found == pytest.approx(size, abs=5e-4), estimator


def test_flipout_draws_average_to_that_expectation() -> None:
    """40 estimates of 50 weights on 100 copies of the batch, each copy with signs of its own."""
    case = CASES["spiking"]
    spikes, labels = case.batch.spikes.repeat(1, 100, 1), case.batch.labels.repeat(100)
    rows = []
    for seed in range(40):
        draw = Flipout(50).draw(case.logits, Stream(seed))
        assert all(isinstance(w, FlipoutWeight) for w in draw.weights.values())
        cost, _ = credit(case.network, case.loss, draw, spikes, labels)
        rows.append(exact.join(Flipout(50).gradient(case.logits, draw, cost)))
    mean, error = mean_and_error(torch.stack(rows))
    assert float(((mean - flipout_expectation(case)).abs() / error).max()) < 5
    apart = (mean - expectation(case, HardStraightThrough())).abs() / error
    assert float(apart.max()) > 10  # it is not hard straight-through's


# The same over 10^5 draws, within five standard errors of the norm.
SAMPLED = {
    "quadratic": {Relaxed(1.0, DRAWS): 0.3725, Relaxed(0.1, DRAWS): 0.0351},
    "spiking": {
        Relaxed(1.0, DRAWS): 0.608,
        Relaxed(0.1, DRAWS): 0.158,
        LocalReparameterisation(DRAWS): 0.2115,
    },
}


@pytest.mark.parametrize("name", CASES)
def test_relaxed_and_local_are_biased_by_what_is_stated(name: str) -> None:
    case = CASES[name]
    for estimator, size in SAMPLED[name].items():
        mean, error = mean_and_error(case.estimates(estimator))
        allowed = 5 * float(error.norm() / case.truth.norm())
        assert bias(case, mean) == pytest.approx(size, abs=allowed), estimator


@pytest.mark.parametrize(("name", "size"), [("quadratic", 0.3026), ("spiking", 0.9876)])
def test_the_mean_parameter_is_biased_by_what_is_stated(name: str, size: float) -> None:
    case = CASES[name]
    draw = MeanParameter().draw(case.logits, Stream(0))
    cost, _ = credit(case.network, case.loss, draw, *case.batch)
    found = exact.join(MeanParameter().gradient(case.logits, draw, cost))
    assert bias(case, found) == pytest.approx(size, abs=5e-4)
