"""ops/fire/clocked: gradients against finite differences of a network whose spikes are frozen.

The surrogate says what the derivative is: that of the loss with o_t replaced by
o_t + Phi_t(u_t / V - 1) - Phi_t(the value it has), Phi_t' the slope, and with the o of the reset
held. That network is smooth, so differences of its loss are the oracle.
"""

from itertools import product

import pytest
import torch
from torch import Tensor

from bayesnn_spike.neurons import Above, AtOrAbove, Delayed, Immediate, LinearRatio, SpikeTime
from bayesnn_spike.ops import only
from bayesnn_spike.ops.fire import ClockState, clocked_fire
from tests.ops import cases

STEPS, FEATURES = 9, 12
ORDERS = [Delayed(), Immediate()]
SURROGATES = [SpikeTime(0.3, 0.1), LinearRatio(0.4)]
CASES = list(product(ORDERS, SURROGATES, [False, True]))


def inputs() -> dict[str, Tensor]:
    """Currents, membrane, a threshold a channel and one leak, all wanting a gradient."""
    return {
        "current": cases.normal(STEPS, 3, FEATURES) + 0.3,
        "membrane": cases.normal(3, FEATURES, seed=1),
        "v_threshold": cases.normal(3, 1, seed=2).abs() + 0.5,
        "leak": torch.tensor(0.8, dtype=torch.float64),
    }


CLOCK = torch.arange(1, 1 + 3 * FEATURES, dtype=torch.int32).view(3, FEATURES)
G, H = cases.normal(STEPS, 3, FEATURES, seed=3), cases.normal(3, FEATURES, seed=4)


def found(values: dict[str, Tensor], **options) -> tuple[Tensor, ClockState]:
    state = ClockState(values["membrane"], CLOCK)
    return clocked_fire(
        values["current"],
        state,
        time_dim=0,
        v_threshold=values["v_threshold"],
        leak=values["leak"],
        comparison=Above(),
        **options,
    )


def integral(surrogate, z: Tensor, clock: Tensor) -> Tensor:
    """Phi with Phi' = the slope: straight for SpikeTime, the area of a triangle for LinearRatio."""
    if isinstance(surrogate, SpikeTime):
        return surrogate.slope(z, clock) * z
    z = z.clamp(-1, 1)
    return surrogate.gamma * (z - z * z.abs() / 2)


def frozen_loss(values: dict[str, Tensor], base: list[Tensor], spikes: Tensor, surrogate, order):
    """The loss of the smooth network; `base` gets the z of the first run, and is then kept."""
    u, v, loss, clock = values["membrane"], values["v_threshold"], 0.0, CLOCK
    fixed = list(base)
    for t, i in enumerate(values["current"]):
        before = u
        u = values["leak"] * u + i
        z = (before if isinstance(order, Delayed) else u) / v - 1
        if not fixed:
            base.append(z)
        # phi(z) - phi(z0) is 0 at the values themselves, and there its derivative is the slope
        o = integral(surrogate, z, clock) - integral(surrogate, base[t], clock)
        loss = loss + (G[t] * o).sum()
        u = u - v * spikes[t]
        clock = torch.where(spikes[t] > 0, 1, clock + 1)
    return float(loss + (H * u).sum())


@pytest.mark.parametrize(("order", "surrogate", "learned"), CASES)
@pytest.mark.parametrize("name", ["v_threshold", "leak", "current", "membrane"])
def test_gradients_are_those_of_the_network_with_frozen_spikes(
    name: str, order, surrogate, learned: bool
) -> None:
    values = inputs()
    wanted = {n: x.requires_grad_(learned or n == name) for n, x in values.items()}
    spikes, last = found(wanted, order=order, surrogate=surrogate)
    assert 0.15 < float(spikes.detach().mean()) < 0.85
    (gradient,) = torch.autograd.grad((spikes, last.membrane), values[name], (G, H))
    plain = {n: x.detach() for n, x in values.items()}
    base: list[Tensor] = []
    frozen_loss(plain, base, spikes.detach(), surrogate, order)
    for place in range(0, plain[name].numel(), 7):
        ends = []
        for sign in (1, -1):
            moved = plain[name].clone()
            moved.view(-1)[place] += sign * 1e-6
            ends.append(frozen_loss(plain | {name: moved}, base, spikes.detach(), surrogate, order))
        difference = (ends[0] - ends[1]) / 2e-6
        assert gradient.flatten()[place].item() == pytest.approx(difference, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("surrogate", [SpikeTime, LinearRatio])
@pytest.mark.parametrize("order", ORDERS)
def test_without_the_factor_the_spike_s_gradient_is_v_times_as_large(order, surrogate) -> None:
    """The V of the reset is no surrogate and keeps its own derivative."""
    grads = []
    for scaled in (True, False):
        values = {n: x.requires_grad_() for n, x in inputs().items()}
        values["leak"] = torch.zeros((), dtype=torch.float64)
        spikes, _ = found(values, order=order, surrogate=surrogate(scale_by_threshold=scaled))
        grads.append(torch.autograd.grad(spikes, values["current"], G)[0])
    torch.testing.assert_close(grads[1], grads[0] * inputs()["v_threshold"])


@pytest.mark.parametrize("v_init", [0.0, 0.5])
def test_a_membrane_at_rest_moves_with_the_threshold(v_init: float) -> None:
    v = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    _, state = clocked_fire(
        torch.zeros(3, 5, dtype=torch.float64),
        time_dim=0,
        v_threshold=v,
        leak=torch.tensor(0.5, dtype=torch.float64),
        surrogate=LinearRatio(),
        order=Immediate(),
        comparison=AtOrAbove(),
        v_init=v_init,
    )
    if v_init:
        assert torch.autograd.grad(state.membrane.sum(), v)[0].item() == 5 * v_init * 0.125
    else:
        assert torch.equal(state.membrane, torch.zeros(5, dtype=torch.float64))


def test_a_second_derivative_is_the_reference_s_and_refused_by_the_kernel() -> None:
    for name in ("reference", "cpu"):
        values = {n: x.float().requires_grad_() for n, x in inputs().items()}
        with only(name):
            spikes, _ = found(values, order=Immediate(), surrogate=LinearRatio())
        (grad,) = torch.autograd.grad(spikes.sum(), values["v_threshold"], create_graph=True)
        if name == "reference":
            assert torch.autograd.grad(grad.sum(), values["v_threshold"])[0].abs().sum() > 0
        else:
            with pytest.raises(RuntimeError, match="gradient of clocked_fire has no gradient"):
                grad.sum().backward()
