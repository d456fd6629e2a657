"""ops/_autograd: a compiled gradient runs in every setting, and refuses a second one."""

import pytest
import torch
from torch import Tensor

from bayesnn_spike.ops._autograd import compiled_gradient


class Square(torch.autograd.Function):
    """x^2, whose gradient is computed outside torch."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x**2

    @staticmethod
    def setup_context(ctx, inputs, _) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        def run(g: Tensor, x: Tensor, nothing: None) -> tuple[Tensor]:
            assert nothing is None
            return (torch.from_numpy(2 * x.detach().numpy() * g.detach().numpy()),)

        return compiled_gradient("square", run, grad, *ctx.saved_tensors, None)[0]


X = torch.tensor([1.0, -3.0])


def test_it_is_the_gradient() -> None:
    x = X.clone().requires_grad_()
    assert torch.autograd.grad(Square.apply(x).sum(), x)[0].tolist() == [2, -6]


def test_it_runs_where_a_graph_is_kept() -> None:
    assert torch.func.grad(lambda x: Square.apply(x).sum())(X).tolist() == [2, -6]
    x = X.clone().requires_grad_()
    (grad,) = torch.autograd.grad(Square.apply(x).sum(), x, create_graph=True)
    assert grad.tolist() == [2, -6]


def test_a_second_derivative_is_refused() -> None:
    x = X.clone().requires_grad_()
    (grad,) = torch.autograd.grad(Square.apply(x).sum(), x, create_graph=True)
    message = r'compiled gradient of square has no gradient itself; .* only\("reference"\)'
    with pytest.raises(RuntimeError, match=message):
        grad.sum().backward()
