"""ops/fire/clocked_cpu: the bits that are saved are all that the gradient of spike times needs.

The kernel works in float32. Its bits are not rounded, though: a float64 gradient made from nothing
but them equals that of the reference in float64.
"""

import pytest
import torch
from torch import Tensor

from bayesnn_spike.neurons import Above, AtOrAbove, Delayed, Immediate, SpikeTime
from bayesnn_spike.ops import only
from bayesnn_spike.ops.fire import clocked_fire
from tests.ops import cases

STEPS, NEURONS = 27, 40
SURROGATE = SpikeTime(0.3, 0.05)
THRESHOLD, LEAK = 0.75, 0.5


def run(current: Tensor, order, comparison) -> Tensor:
    spikes, _ = clocked_fire(
        current,
        time_dim=0,
        v_threshold=current.new_tensor(THRESHOLD),
        leak=current.new_tensor(LEAK),
        surrogate=SURROGATE,
        order=order,
        comparison=comparison,
    )
    return spikes


def saved_bits(current: Tensor, order, comparison) -> Tensor:
    """What the compiled forward pass keeps: uint8 `[1, ceil(T / 8), N]`."""
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda x: x), only("cpu"):
        run(current.clone().requires_grad_(), order, comparison)
    (bits,) = (x for x in kept if x.dtype == torch.uint8)
    return bits


def gradient_of(bits: Tensor, cotangent: Tensor, order) -> Tensor:
    """delta_t = leak delta_{t+1} + g_t c_t (delayed: g_{t+1} c_{t+1}), from bits alone, float64."""
    t = torch.arange(STEPS)
    spikes = (bits[0, t // 8] >> (t % 8)[:, None]) & 1
    clocks, clock = [], torch.full((NEURONS,), 999)
    for step in spikes:
        clocks.append(clock)
        clock = torch.where(step > 0, 1, clock + 1)
    z = torch.zeros(STEPS, NEURONS, dtype=torch.float64)
    drive = SURROGATE.slope(z, torch.stack(clocks)) / THRESHOLD * cotangent
    if isinstance(order, Delayed):
        drive = torch.cat([drive[1:], z[:1]])
    deltas, delta = [], z[0]
    for step in drive.flip(0):
        delta = LEAK * delta + step
        deltas.append(delta)
    return torch.stack(deltas).flip(0)


@pytest.mark.parametrize("order", [Delayed(), Immediate()], ids=["delayed", "immediate"])
@pytest.mark.parametrize("comparison", [Above(), AtOrAbove()])
def test_bits_alone_give_the_reference_s_gradient_in_float64(order, comparison) -> None:
    x = cases.lattice(STEPS, NEURONS)  # the same spikes in float32 as in float64
    c = cases.normal(STEPS, NEURONS, seed=1)
    y = x.double().requires_grad_()
    spikes = run(y, order, comparison)
    assert 0.1 < float(spikes.detach().mean()) < 0.9
    (expected,) = torch.autograd.grad(spikes, y, c)
    found = gradient_of(saved_bits(x, order, comparison), c, order)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
