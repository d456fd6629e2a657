"""ops/pool: PyTorch's average pooling bit for bit, forward and backward, at every shape."""

import pytest
import torch
from torch import Tensor

from bayesnn_spike.ops import explain, only
from bayesnn_spike.ops.pool import cpu, mean_pool2d
from tests.ops import cases

SHAPES = [(1, 2, 2), (3, 4, 6), (2, 5, 7), (1, 9, 2), (4, 28, 28)]


def both(x: Tensor, side: int) -> list[list[Tensor]]:
    found = []
    for name in ("cpu", "reference"):
        leaf = x.clone().requires_grad_()
        with only(name):
            y = mean_pool2d(leaf, side)
            grad = cases.normal(*y.shape, seed=3, dtype=torch.float32)
            found.append([y.detach(), *torch.autograd.grad(y, leaf, grad)])
    return found


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_it_gives_the_reference_s_bits(shape: tuple[int, int, int], side: int) -> None:
    if min(shape[1:]) < side:
        with pytest.raises(ValueError, match=f"hold no window of {side} x {side}"):
            mean_pool2d(torch.zeros(shape), side)
        return
    one, two = both(cases.normal(2, *shape, dtype=torch.float32), side)
    for a, b in zip(one, two, strict=True):
        assert a.shape == b.shape
        assert torch.equal(a, b)


def test_a_window_by_hand_and_what_is_left_over() -> None:
    x = torch.tensor([[1.0, 2, 9], [3, 4, 9], [9, 9, 9]], requires_grad=True)
    y = mean_pool2d(x, 2)
    assert y.tolist() == [[2.5]]
    y.sum().backward()
    assert x.grad.tolist() == [[0.25, 0.25, 0], [0.25, 0.25, 0], [0, 0, 0]]


def test_strides_threads_and_empty_batches(monkeypatch) -> None:
    x = cases.normal(6, 8, 5, 3, dtype=torch.float32)
    turned = x.permute(3, 2, 0, 1)
    assert torch.equal(mean_pool2d(turned, 2), mean_pool2d(turned.contiguous(), 2))
    whole = mean_pool2d(x, 2)
    monkeypatch.setattr(cpu, "LEAST", 1)
    try:
        torch.set_num_threads(2)
        assert torch.equal(mean_pool2d(x, 2), whole)
    finally:
        torch.set_num_threads(1)
    assert mean_pool2d(torch.zeros(0, 3, 4, 4), 2).shape == (0, 3, 2, 2)


def test_second_derivatives() -> None:
    x = torch.rand(2, 4, 4, requires_grad=True)
    with only("cpu"):
        (grad,) = torch.autograd.grad(mean_pool2d(x, 2).square().sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(grad.sum(), x)
    # y = mean of four; d2/dx2 of sum y^2, summed over a row of the Hessian: 2 * 4 / 16.
    torch.testing.assert_close(second, torch.full_like(x, 0.5))


def test_what_cannot_run_says_so() -> None:
    assert explain(mean_pool2d, torch.zeros(4, 4), 2).startswith("mean_pool2d/cpu: runs")
    assert "works in float32" in explain(mean_pool2d, torch.zeros(4, 4).double(), 2)
    for side in (0, -1):
        with pytest.raises(ValueError, match="side"):
            mean_pool2d(torch.zeros(4, 4), side)
    with pytest.raises(ValueError, match="hold no window"):
        mean_pool2d(torch.zeros(4), 2)
