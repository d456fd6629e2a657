"""ops/fire: gradients against the reverse-time equations of its README, written out here."""

import math

import pytest
import torch
from torch import Tensor

from bayesnn_spike.neurons import (
    ATan,
    Boxcar,
    FastSigmoid,
    Gaussian,
    Sigmoid,
    Subtract,
    ToValue,
    Triangle,
)
from bayesnn_spike.ops.fire import fire, refractory_fire
from tests.ops import cases

SURROGATES = [Boxcar(1.5), Triangle(2.0), FastSigmoid(2.0), ATan(2.0), Sigmoid(4.0), Gaussian(0.5)]
STEPS, THRESHOLD, BETA = 7, 0.8, 0.9


def by_hand(current: Tensor, state: Tensor, g: Tensor, h: Tensor, phi, reset, detach: bool):
    """Forward by the equations, then `du`, `a` in reverse time; returns dL/dI and dL/dstate."""
    v, us, ss = state, [], []
    for i in current:
        u = BETA * v + i
        s = (u >= THRESHOLD).to(u.dtype)
        soft = isinstance(reset, Subtract)
        v = u - THRESHOLD * s if soft else u * (1 - s) + reset.v_reset * s
        us.append(u)
        ss.append(s)
    a, grads = h, []
    for t in reversed(range(len(current))):
        slope = phi.grad(us[t] - THRESHOLD)
        kept = torch.ones_like(a) if soft else 1 - ss[t]
        jump = torch.full_like(a, -THRESHOLD) if soft else reset.v_reset - us[t]
        du = g[t] * slope + a * kept
        if not detach:
            du = du + a * jump * slope
        grads.append(du)
        a = BETA * du
    return torch.stack(grads[::-1]), a


@pytest.mark.parametrize("detach", [True, False], ids=["detached", "full"])
@pytest.mark.parametrize("reset", [Subtract(), ToValue(-0.2)], ids=["soft", "hard"])
@pytest.mark.parametrize("phi", SURROGATES, ids=lambda s: type(s).__name__)
def test_the_gradient_is_the_readme_s(phi, reset, detach: bool) -> None:
    current = cases.normal(STEPS, 4, 5).requires_grad_()
    state = cases.normal(4, 5, seed=1).requires_grad_()
    g, h = cases.normal(STEPS, 4, 5, seed=2), cases.normal(4, 5, seed=3)
    spikes, v = fire(
        current,
        state,
        time_dim=0,
        beta=BETA,
        v_threshold=THRESHOLD,
        surrogate=phi,
        reset=reset,
        detach_reset=detach,
    )
    assert 0.1 < float(spikes.detach().mean()) < 0.9
    found = torch.autograd.grad((spikes, v), (current, state), (g, h))
    expected = by_hand(current.detach(), state.detach(), g, h, phi, reset, detach)
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize("reset", [Subtract(), ToValue(-0.2)], ids=["soft", "hard"])
def test_detaching_the_reset_makes_a_difference(reset) -> None:
    """So that the two cases above are two cases."""
    current, grads = cases.normal(STEPS, 20), []
    for detach in (True, False):
        x = current.clone().requires_grad_()
        spikes, _ = fire(
            x,
            time_dim=0,
            beta=BETA,
            v_threshold=THRESHOLD,
            surrogate=SURROGATES[2],
            reset=reset,
            detach_reset=detach,
        )
        grads.append(torch.autograd.grad(spikes.sum(), x)[0])
    assert not torch.allclose(*grads)


@pytest.mark.parametrize("phi", SURROGATES, ids=lambda s: type(s).__name__)
def test_the_refractory_trace_carries_no_gradient(phi) -> None:
    """dL/dI_t = g_t phi(U_t - theta) + cotangent of U_t, nothing through R."""
    current = cases.normal(STEPS, 4, 5).requires_grad_()
    g, q = cases.normal(STEPS, 4, 5, seed=2), cases.normal(STEPS, 4, 5, seed=3)
    spikes, state, u = refractory_fire(
        current, time_dim=0, decay=math.exp(-0.5), v_threshold=0.1, surrogate=phi
    )
    assert 0.1 < float(spikes.detach().mean()) < 0.9
    assert not state.refractory.requires_grad
    assert not state.spikes.requires_grad
    (found,) = torch.autograd.grad((spikes, u), current, (g, q))
    torch.testing.assert_close(found, g * phi.grad(u.detach() - 0.1) + q)


def test_a_three_factor_gradient_by_hand() -> None:
    """dL/dW = k (B^T e) phi(U) P^T of one step, as local learning needs it."""
    p, w, e = cases.normal(3), cases.normal(2, 3, seed=1).requires_grad_(), cases.normal(2, seed=2)
    scale = 1 / math.sqrt(3)
    current = (scale * (w @ p))[None, None]
    spikes, _, u = refractory_fire(
        current, time_dim=0, decay=0.5, v_threshold=0.0, surrogate=Triangle(2.0)
    )
    (found,) = torch.autograd.grad(spikes, w, e[None, None])
    slope = (1 - u.detach().abs() / 2).clamp(min=0)[0, 0]
    torch.testing.assert_close(found, scale * torch.outer(e * slope, p))
