"""learn/estimators/local: the Gaussian surrogate of the currents' own width is exact for one layer.

The expected spike of one layer in one step, under local reparameterisation, has a gradient in
closed form; a `Gaussian` surrogate whose width is the deviation of each current gives it, and the
spikes that the estimator samples average to it.
"""

import torch
from torch import Tensor

from bayesnn_spike.learn.estimators import LocalReparameterisation
from bayesnn_spike.neurons import LIF, Gaussian, firing_probability
from bayesnn_spike.ops.synapse import linear
from bayesnn_spike.rng import Stream
from tests.ops import cases

UNITS, FAN_IN, EXAMPLES, THRESHOLD = 3, 6, 4, 1.0
LOGITS = 0.8 * cases.normal(UNITS, FAN_IN)
X = cases.spikes(1, EXAMPLES, FAN_IN, seed=3, rate=0.7, dtype=torch.float64)  # [1, B, in]
CREDIT = cases.normal(1, EXAMPLES, UNITS)  # what the rest of a loss would ask of every spike


def currents(mu: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation `[1, B, units]`, as the estimator's docstring has them."""
    return linear(X, mu), linear(X.square(), 1 - mu.square()).clamp(min=1e-12).sqrt()


def loss(mu: Tensor) -> Tensor:
    return (CREDIT * firing_probability(*currents(mu), THRESHOLD)).sum()


def test_the_surrogate_of_the_current_s_width_is_the_gradient_in_the_mean_current() -> None:
    """d loss / d m, backward through the neuron's spike: no bias, whatever the layer."""
    mu = LOGITS.tanh()
    m, s = currents(mu)
    mean = m.clone().requires_grad_()
    (exact,) = torch.autograd.grad((CREDIT * firing_probability(mean, s)).sum(), mean)
    for index in torch.cartesian_prod(torch.arange(EXAMPLES), torch.arange(UNITS)).tolist():
        e, u = index
        current = m[:, e : e + 1, u : u + 1].clone().requires_grad_()
        spikes, _ = LIF(v_threshold=THRESHOLD, surrogate=Gaussian(float(s[0, e, u])))(current)
        (found,) = torch.autograd.grad((CREDIT[:, e : e + 1, u : u + 1] * spikes).sum(), current)
        torch.testing.assert_close(found.squeeze(), exact[0, e, u])
    assert bool((exact != 0).all())


def test_the_gradient_in_the_mean_weights_is_that_of_the_closed_form() -> None:
    """sum_be credit phi(z) / s (x + z ds/dmu), z = (theta - m) / s; and finite differences."""
    mu = LOGITS.tanh().requires_grad_()
    (found,) = torch.autograd.grad(loss(mu), mu)
    m, s = (v.detach()[0] for v in currents(mu))
    z = (THRESHOLD - m) / s
    density = Gaussian(1.0).grad(z) / s  # phi(z) / s = Gaussian(s) at m - theta
    by_mean = torch.einsum("bu,bi->ui", CREDIT[0] * density, X[0])
    widening = torch.einsum("bu,bi->ui", CREDIT[0] * density * z / s, X[0].square()) * -mu.detach()
    torch.testing.assert_close(found, by_mean + widening)
    step = 1e-5
    for place in range(UNITS * FAN_IN):
        nudge = torch.zeros(UNITS * FAN_IN, dtype=torch.float64)
        nudge[place] = step
        nudge = nudge.view(UNITS, FAN_IN)
        slope = (loss(mu.detach() + nudge) - loss(mu.detach() - nudge)) / (2 * step)
        torch.testing.assert_close(slope, found.flatten()[place], rtol=1e-5, atol=1e-8)
    assert float(widening.abs().max()) > 0.1 * float(by_mean.abs().max())  # no small part of it


def test_a_silent_example_has_no_gradient_and_no_nan() -> None:
    mu = LOGITS.tanh().requires_grad_()
    silent = torch.zeros(1, 1, FAN_IN, dtype=torch.float64)
    m, s = linear(silent, mu), linear(silent, 1 - mu.square()).clamp(min=1e-12).sqrt()
    rate = firing_probability(m, s, THRESHOLD)
    assert not bool(rate.any())
    (slope,) = torch.autograd.grad(rate.sum(), mu)
    assert torch.equal(slope, torch.zeros_like(mu))


def test_sampled_spikes_of_the_estimator_average_to_the_expected_one() -> None:
    """50,000 draws of its weights, five standard errors."""
    draws = 50_000
    weight = LocalReparameterisation(draws).draw({"w": LOGITS}, Stream(6)).weights["w"]
    with torch.no_grad():
        spikes, _ = LIF(v_threshold=THRESHOLD)(linear(X, weight))
    wanted = firing_probability(*currents(LOGITS.tanh()), THRESHOLD)
    error = (wanted * (1 - wanted) / draws).sqrt()
    assert float(((spikes.double().mean(0) - wanted).abs() / error).max()) < 5
