"""learn/mcmc/flips: transition matrices by enumeration, and steps that follow them."""

import pytest
import torch
from torch import Tensor

from bayesnn_spike.learn.mcmc import Density, Gibbs, GibbsWithGradients, SingleFlip
from bayesnn_spike.learn.mcmc.flips import log_ratio
from bayesnn_spike.learn.mcmc.kernel import flipped
from bayesnn_spike.rng import Stream
from tests.learn import small_targets
from tests.learn.mcmc.matrices import flip_matrices, step_matrix

TARGETS = {"regression": small_targets.regression(0.5), "spiking": small_targets.spiking()}
POWER = {"target": None, "tempered": 0.3}
METROPOLIS = [SingleFlip(), GibbsWithGradients()]
KERNELS = [*METROPOLIS, Gibbs()]


def masses_of(name: str, power: float | None) -> Tensor:
    """pi by number, from the oracle; with a power, of the likelihood alone."""
    target = TARGETS[name]
    if power is None:
        return small_targets.oracle(target)[0]
    rho = target.temperature.rho / power
    hotter = small_targets.regression(rho) if name == "regression" else None
    hotter = hotter or small_targets.spiking(tempering=4 * rho)
    return small_targets.oracle(hotter)[0]


def density_of(name: str, power: float | None) -> Density:
    target = TARGETS[name]
    powers = None if power is None else torch.full((2**target.size,), power, dtype=torch.float64)
    return Density(target, powers)


@pytest.mark.parametrize("power", POWER.values(), ids=POWER)
@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: type(k).__name__)
def test_the_target_is_kept(kernel, name: str, power: float | None) -> None:
    """pi P = pi to 1e-10, and detailed balance of every single flip."""
    masses, density = masses_of(name, power), density_of(name, power)
    after = masses
    for matrix in flip_matrices(kernel, density):
        torch.testing.assert_close(matrix.sum(1), torch.ones_like(masses))
        assert float(matrix.min()) > -1e-15
        flow = masses[:, None] * matrix
        assert float((flow - flow.T).abs().max()) < 1e-10
        after = after @ matrix
    assert float((after - masses).abs().max()) < 1e-10


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: type(k).__name__)
def test_steps_follow_the_matrix(kernel) -> None:
    """From each of eight vectors 20,000 chains make one step; every frequency at 5 sigma."""
    density, count = Density(TARGETS["regression"]), 20_000
    start = small_targets.rows(3).to(torch.int8).repeat_interleave(count, 0)
    state = kernel.init(density, start)
    after = kernel.step(density, state, Stream(4))
    places = ((after.signs > 0).long() << torch.arange(3)).sum(1).view(8, count)
    found = torch.stack([torch.bincount(row, minlength=8) for row in places]) / count
    expected = step_matrix(kernel, density)
    sigma = (expected * (1 - expected) / count).clamp(min=0).sqrt()
    assert bool(((found - expected).abs() <= 5 * sigma + 1e-12).all())
    assert float(expected.diagonal().max()) < 1


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: type(k).__name__)
def test_a_state_knows_where_it_is(kernel) -> None:
    """After some steps its densities and slopes are those of its signs, bit for bit."""
    density = Density(TARGETS["spiking"])
    state = kernel.init(density, small_targets.rows(10)[::100].to(torch.int8))
    before = [leaf.clone() for leaf in state]
    first = state
    for index in range(6):
        state = kernel.step(density, state, Stream(1).child(index))
    assert all(torch.equal(a, b) for a, b in zip(first, before, strict=True))
    fresh = kernel.init(density, state.signs)
    for name in ("log_prior", "log_likelihood", "slopes"):
        torch.testing.assert_close(getattr(state, name), getattr(fresh, name))
    tried = 60 if isinstance(kernel, Gibbs) else 6
    assert state.proposed.tolist() == [tried] * 11
    assert 0 < int(state.accepted.sum()) < 11 * tried


def test_the_correction_is_what_makes_gradients_exact() -> None:
    """Without it, the matrix of the same proposals does not keep the target: the test can fail."""
    density = Density(TARGETS["regression"])
    masses = masses_of("regression", None)

    def uncorrected(kernel, density, before, after, sites) -> Tensor:
        return density.log_prob(after) - density.log_prob(before)

    (wrong,) = flip_matrices(GibbsWithGradients(), density, ratio=uncorrected)
    assert float((masses @ wrong - masses).abs().max()) > 1e-3
    (right,) = flip_matrices(GibbsWithGradients(), density, ratio=log_ratio)
    assert float((masses @ right - masses).abs().max()) < 1e-10


def test_gradients_propose_what_raises_the_density() -> None:
    """On a linear log density the proposal's weights are those of the flips' gains, halved."""
    target = small_targets.regression(1e9)  # all prior, which is linear
    density = Density(target)
    state = GibbsWithGradients().init(density, torch.tensor([[1, -1, 1]], dtype=torch.int8))
    logits = target.prior.logits["w"]
    expected = torch.log_softmax(-torch.tensor([1.0, -1.0, 1.0]).double() * logits, 0)
    found = GibbsWithGradients().log_sites(density, state)[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-8)


def test_flips_turn_one_weight_of_each_row() -> None:
    signs = torch.tensor([[1, 1, -1], [-1, 1, 1]], dtype=torch.int8)
    assert flipped(signs, torch.tensor([2, 0])).tolist() == [[1, 1, 1], [1, 1, 1]]
    assert signs.tolist() == [[1, 1, -1], [-1, 1, 1]]
