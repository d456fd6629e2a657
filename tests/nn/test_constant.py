"""nn/constant: what does not change with time is computed once, with the same gradients."""

import pytest
import torch
from torch import Tensor, nn

from bayesnn_spike.encoding import direct
from bayesnn_spike.nn import Conv2d, Linear
from bayesnn_spike.nn.constant import is_constant, once


def test_stride_zero_is_what_counts() -> None:
    x = torch.rand(3, 4)
    assert is_constant(x.expand(5, 3, 4), 0)
    assert not is_constant(x.expand(5, 3, 4).contiguous(), 0)
    assert not is_constant(x.expand(1, 3, 4), 0)
    assert is_constant(x.expand(2, 5, 3, 4), -3)


def test_the_function_sees_one_step() -> None:
    seen = []

    def double(x: Tensor) -> Tensor:
        seen.append(x.shape)
        return 2 * x

    x = torch.rand(3, 4)
    found = once(double, direct(x, 6), -3)
    assert seen == [(1, 3, 4)]
    assert is_constant(found, -3)
    torch.testing.assert_close(found, (2 * x).expand(6, 3, 4))
    varied = torch.rand(6, 3, 4)
    torch.testing.assert_close(once(double, varied, -3), 2 * varied)
    assert seen[1] == (6, 3, 4)


@pytest.mark.parametrize("draws", [None, 3])
@pytest.mark.parametrize("kind", ["linear", "maps"])
def test_a_synapse_gives_the_same_values_and_gradients(kind: str, draws: int | None) -> None:
    layer = Linear(4, 5, bias=True) if kind == "linear" else Conv2d(2, 5, 3, bias=True)
    images = torch.rand((2, 4) if kind == "linear" else (2, 2, 6, 6))
    lead = () if draws is None else (draws,)
    weights = {n: torch.randn(*lead, *p.shape) for n, p in layer.named_parameters()}
    found = {}
    for name, x in (("once", direct(images, 7)), ("always", direct(images, 7).contiguous())):
        leaves = {n: w.clone().requires_grad_() for n, w in weights.items()}
        y = torch.func.functional_call(layer, leaves, (x,))
        cotangent = torch.linspace(-1, 1, y.numel()).view(y.shape)
        (y * cotangent).sum().backward()
        found[name] = [y.detach(), *(leaf.grad for leaf in leaves.values())]
    for one, other in zip(found["once"], found["always"], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_plain_module_is_called_as_it_is() -> None:
    torch.testing.assert_close(once(nn.Identity(), torch.ones(2, 1, 1), -3), torch.ones(2, 1, 1))
