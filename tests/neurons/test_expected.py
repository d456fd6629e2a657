"""neurons/expected: the firing probability against sampling, enumeration and the surrogate."""

import math

import pytest
import torch
from torch import Tensor

from bayesnn_spike.neurons import LIF, Gaussian, firing_probability
from bayesnn_spike.ops.synapse import linear
from bayesnn_spike.rng import Stream
from bayesnn_spike.weights import LocalWeight
from tests.ops import cases
from tests.oracles import enumeration as exact

DRAWS = 100_000


def layer(fan_in: int, units: int = 3) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mean weights `[units, fan_in]`, spikes `[B, fan_in]`, currents' mean and deviation."""
    mu = (0.8 * cases.normal(units, fan_in)).tanh()
    x = cases.spikes(1, 4, fan_in, seed=3, rate=0.7, dtype=torch.float64)[0]
    return mu, x, x @ mu.T, (x.square() @ (1 - mu**2).T).sqrt()


def test_it_is_the_spike_rate_of_local_reparameterisation_in_one_step() -> None:
    """Spikes of a real neuron fed by `LocalWeight`, over 10^5 draws, five standard errors."""
    mu, x, mean, deviation = layer(6)
    weight = LocalWeight(mu.expand(DRAWS, *mu.shape).contiguous(), Stream(2))
    spikes, _ = LIF()(linear(x[None], weight))
    rate = spikes.double().mean(0)[0]
    wanted = firing_probability(mean, deviation)
    error = (wanted * (1 - wanted) / DRAWS).sqrt()
    assert float(((rate - wanted).abs() / error).max()) < 5
    assert float(wanted.min()) < 0.1
    assert float(wanted.max()) > 0.4  # the cases differ


def test_its_slope_is_the_gaussian_surrogate_of_the_same_width() -> None:
    mean = torch.linspace(-3, 4, 15, dtype=torch.float64).requires_grad_()
    for sigma in (0.3, 1.0, 2.5):
        chance = firing_probability(mean, torch.full_like(mean, sigma), 0.7)
        (slope,) = torch.autograd.grad(chance.sum(), mean)
        torch.testing.assert_close(slope, Gaussian(sigma).grad(mean - 0.7))


def test_sampled_spikes_with_a_surrogate_have_a_slope_that_is_too_flat() -> None:
    """E of a Gaussian surrogate of width sigma at m + s eps has width sqrt(s^2 + sigma^2)."""
    s, sigma, m = 0.6, 0.8, 1.3
    generator = Stream(4).generator()
    eps = torch.randn(DRAWS, generator=generator, dtype=torch.float64)
    found = Gaussian(sigma).grad(m + s * eps - 1)
    wanted = Gaussian(math.hypot(s, sigma)).grad(torch.tensor(m - 1, dtype=torch.float64))
    assert abs(float(found.mean() - wanted)) < 5 * float(found.std()) / DRAWS**0.5
    exactly = Gaussian(s).grad(torch.tensor(m - 1, dtype=torch.float64))
    assert float(wanted / exactly) < 0.8


@pytest.mark.parametrize("fan_in", [3, 6, 12])
def test_binary_weights_are_within_the_error_of_the_central_limit(fan_in: int) -> None:
    """All 2^n weights of a unit on real inputs; Berry-Esseen bounds the distance."""
    mu = (0.5 * cases.normal(fan_in)).tanh()
    x = cases.normal(fan_in).abs() + 0.2
    fires = (exact.sign_table(fan_in) @ x >= 1).double()
    truth = exact.probabilities(mu) @ fires
    variance = ((1 - mu**2) * x**2).sum()
    found = firing_probability(mu @ x, variance.sqrt())
    third = ((1 - mu**2) * (1 + mu**2) * x**3).sum()
    bound = float(0.56 * third / variance**1.5)
    assert abs(float(found - truth)) < bound
    assert bound < 0.56  # it could be seen failing
    if fan_in == 12:
        assert abs(float(found - truth)) < 0.05


def test_without_noise_it_is_the_comparison() -> None:
    mean = torch.tensor([0.9, 1.0, 1.1], requires_grad=True)
    chance = firing_probability(mean, torch.zeros(3))
    assert chance.tolist() == [0, 1, 1]
    (slope,) = torch.autograd.grad(chance.sum(), mean)
    assert slope.tolist() == [0, 0, 0]


def test_small_probabilities_keep_their_digits() -> None:
    mean = torch.tensor(-9.0, dtype=torch.float64)
    found = firing_probability(mean, torch.ones_like(mean))
    assert float(found) == pytest.approx(7.6198530241605e-24, rel=1e-9)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="v_threshold must be positive"):
        firing_probability(torch.zeros(1), torch.ones(1), 0.0)
    with pytest.raises(ValueError, match="deviation is negative"):
        firing_probability(torch.zeros(1), torch.tensor([-1.0]))
