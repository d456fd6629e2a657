"""ops/trace: a leaky sum by hand, its reverse-time gradient, and carried state."""

import pytest
import torch

from bayesnn_spike.ops.trace import trace
from tests.ops import cases


def test_a_trace_by_hand() -> None:
    x = torch.tensor([1.0, 0.0, 0.0, 2.0, 0.0])[:, None]
    y, last = trace(x, decay=0.5, time_dim=0)
    assert y[:, 0].tolist() == [1.0, 0.5, 0.25, 2.125, 1.0625]
    assert last.tolist() == [1.0625]


def test_a_state_decays_into_the_trace() -> None:
    y, last = trace(torch.zeros(3, 2), torch.tensor([8.0, -4.0]), decay=0.5, time_dim=0)
    assert y.tolist() == [[4, -2], [2, -1], [1, -0.5]]
    assert last.tolist() == [1, -0.5]


def test_the_ends_of_decay() -> None:
    x = cases.lattice(6, 3)
    assert torch.equal(trace(x, decay=0.0, time_dim=0)[0], x)
    assert torch.equal(trace(x, decay=1.0, time_dim=0)[0], x.cumsum(0))


@pytest.mark.parametrize("time_dim", [0, 1, 2, -1, -2])
def test_time_may_be_any_axis(time_dim: int) -> None:
    x = cases.normal(4, 5, 6)
    y, last = trace(x, decay=0.7, time_dim=time_dim)
    first, first_last = trace(x.movedim(time_dim, 0), decay=0.7, time_dim=0)
    assert torch.equal(y, first.movedim(0, time_dim))
    assert torch.equal(last, first_last)


def test_the_gradient_is_the_filter_in_reverse_time() -> None:
    steps, decay = 5, 0.8
    x = cases.normal(steps, 3).requires_grad_()
    state = cases.normal(3, seed=1).requires_grad_()
    g, h = cases.normal(steps, 3, seed=2), cases.normal(3, seed=3)
    y, last = trace(x, state, decay=decay, time_dim=0)
    found_x, found_state = torch.autograd.grad((y, last), (x, state), (g, h))
    expected = torch.stack(
        [
            sum(decay ** (s - t) * g[s] for s in range(t, steps)) + decay ** (steps - 1 - t) * h
            for t in range(steps)
        ]
    )
    torch.testing.assert_close(found_x, expected)
    torch.testing.assert_close(found_state, decay * expected[0])


@pytest.mark.parametrize("cut", [1, 3, 5])
def test_two_halves_with_carried_state_equal_one_run(cut: int) -> None:
    x = cases.normal(6, 2, 3)
    whole, last = trace(x, decay=0.9, time_dim=0)
    one, carried = trace(x[:cut], decay=0.9, time_dim=0)
    two, ended = trace(x[cut:], carried, decay=0.9, time_dim=0)
    assert torch.equal(torch.cat([one, two]), whole)
    assert torch.equal(ended, last)


@pytest.mark.parametrize("decay", [-0.1, 1.1, float("nan")])
def test_decay_outside_its_range_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match=r"decay must lie in \[0.0, 1.0\]"):
        trace(torch.zeros(2, 3), decay=decay, time_dim=0)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (torch.zeros(4), r"the trace's state has shape \(4,\) instead of \(3,\)"),
        (torch.zeros(3).double(), r"dtype torch.float64 instead of torch.float32"),
        (torch.zeros(3, device="meta"), "device meta instead of cpu"),
        (torch.zeros(2).double(), r"shape \(2,\) .*, dtype .*; pass None to start from rest"),
    ],
)
def test_a_wrong_state_is_refused(state: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        trace(torch.zeros(2, 3), state, decay=0.5, time_dim=0)
