"""ops/fire/clocked: reverse mode equals forward mode, written out, to the last digits of float64.

Forward mode carries dv/dp of every parameter p along with v: what the definition says of a spike,
do = g (du - (u/V) dV) / V with the slope g, and of the reset, whose o has no derivative.
"""

from itertools import product

import pytest
import torch

from bayesnn_spike.neurons import Above, Delayed, Immediate, LinearRatio, SpikeTime
from bayesnn_spike.ops.fire import clocked_fire

INPUTS = [1.0, 0, 1, 1, 0, 1, 1, 1]
HEAD = [0.5, -0.3]
CASES = list(
    product([Delayed(), Immediate()], [SpikeTime(), LinearRatio()], [1.0, 0.9], [1.0, 0.5])
)


def reverse(order, surrogate, leak: float, threshold: float) -> list[float]:
    """Gradients of the cross-entropy of the summed head towards weight, threshold and leak."""
    w, v, lam = (
        torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (0.6, threshold, leak)
    )
    current = (w * torch.tensor(INPUTS, dtype=torch.float64))[:, None]
    spikes, _ = clocked_fire(
        current,
        time_dim=0,
        v_threshold=v,
        leak=lam,
        surrogate=surrogate,
        order=order,
        comparison=Above(),
    )
    logits = (spikes * torch.tensor(HEAD, dtype=torch.float64)).sum(0)
    loss = torch.nn.functional.cross_entropy(logits[None], torch.tensor([0]))
    return [float(g) for g in torch.autograd.grad(loss, (w, v, lam))]


def forward(order, surrogate, leak: float, threshold: float) -> list[float]:
    """The same, step after step, with derivatives towards (weight, threshold, leak)."""
    u, du, clock, total, dtotal = 0.0, [0.0] * 3, 999, 0.0, [0.0] * 3
    for x in INPUTS:
        after = [leak * d + e for d, e in zip(du, (x, 0.0, u), strict=True)]
        next_u = leak * u + 0.6 * x
        tested, dtested = (u, du) if isinstance(order, Delayed) else (next_u, after)
        spike = float(tested > threshold)
        z = torch.tensor(tested / threshold - 1, dtype=torch.float64)
        slope = float(surrogate.slope(z, torch.tensor(clock)))
        total += spike
        for p in range(3):
            towards = dtested[p] - (tested / threshold if p == 1 else 0.0)
            dtotal[p] += slope * towards / threshold
            after[p] -= spike if p == 1 else 0.0
        u, du = next_u - threshold * spike, after
        clock = 1 if spike else clock + 1
    logits = torch.tensor(HEAD, dtype=torch.float64) * total
    p = torch.softmax(logits, 0)
    slope = float((p[0] - 1) * HEAD[0] + p[1] * HEAD[1])
    return [slope * d for d in dtotal]


@pytest.mark.parametrize(("order", "surrogate", "leak", "threshold"), CASES)
def test_reverse_and_forward_mode_agree(order, surrogate, leak: float, threshold: float) -> None:
    found = reverse(order, surrogate, leak, threshold)
    expected = forward(order, surrogate, leak, threshold)
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-14)
    assert all(x != 0 for x in found)


def test_the_forward_mode_has_the_golden_value() -> None:
    assert forward(Delayed(), SpikeTime(), 0.9, 1.0)[0] == pytest.approx(-0.47321715, abs=5e-9)
    assert forward(Immediate(), SpikeTime(), 1.0, 0.5)[0] == pytest.approx(-0.09286577, abs=5e-9)
