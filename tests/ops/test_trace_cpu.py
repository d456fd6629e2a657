"""ops/trace/cpu: the reference's bits, its gradients of any order, and what may be handed in."""

from itertools import product

import pytest
import torch
from torch import Tensor

from bayesnn_spike.ops import RefusedError, explain, only
from bayesnn_spike.ops import trace as op
from bayesnn_spike.ops.trace import trace
from tests.ops import cases
from tests.ops.pairs import assert_close, assert_same_bits, both

SHAPES = list(product([1, 5], [1, 2, 63, 257], [1, 37, 256]))


@pytest.mark.parametrize(("k", "steps", "n"), SHAPES)
def test_it_gives_the_reference_s_bits(k: int, steps: int, n: int, poison: None) -> None:
    x, state = cases.lattice(k, steps, 3, n), cases.lattice(k, 3, n, seed=1)
    assert_same_bits(lambda: trace(x, state, decay=0.5, time_dim=1))
    assert_same_bits(lambda: trace(x, decay=0.5, time_dim=1))
    general = cases.normal(k, steps, 3, n, dtype=torch.float32)
    start = cases.normal(k, 3, n, seed=1, dtype=torch.float32)
    assert_same_bits(lambda: trace(general, start, decay=0.9, time_dim=1))


@pytest.mark.parametrize("time_dim", [0, 1, 2, -1, -3])
def test_time_may_be_any_axis(time_dim: int) -> None:
    x = cases.normal(4, 5, 6, dtype=torch.float32)
    assert_same_bits(lambda: trace(x, decay=0.7, time_dim=time_dim))


def test_strides_and_expanded_inputs() -> None:
    x = cases.normal(6, 2, 5, dtype=torch.float32)
    state = cases.normal(5, 2, dtype=torch.float32).T
    assert not x.movedim(0, 1).is_contiguous()
    assert_same_bits(lambda: trace(x.movedim(0, 1), state, decay=0.7, time_dim=1))
    wide = x[:, :1].expand(6, 4, 5)
    assert_same_bits(lambda: trace(wide, state[:1].expand(4, 5), decay=0.7, time_dim=0))


def test_threads_change_nothing(three_threads: None) -> None:
    x = cases.normal(3, 7, 2500, dtype=torch.float32)
    assert_same_bits(lambda: trace(x, decay=0.7, time_dim=1))


@pytest.mark.parametrize("values", [[torch.inf, 0.0, -torch.inf, 0.0], [torch.nan, 1.0]])
def test_values_that_are_not_finite(values: list[float]) -> None:
    assert_same_bits(lambda: trace(torch.tensor(values), decay=0.5, time_dim=0))


@pytest.mark.parametrize("used", ["both", "trace", "last"])
@pytest.mark.parametrize("steps", [1, 2, 63])
def test_gradients_are_the_reference_s(steps: int, used: str, poison: None) -> None:
    x = cases.normal(2, steps, 3, 37, dtype=torch.float32).requires_grad_()
    state = cases.normal(2, 3, 37, seed=1, dtype=torch.float32).requires_grad_()
    g = cases.normal(2, steps, 3, 37, seed=2, dtype=torch.float32)
    h = cases.normal(2, 3, 37, seed=3, dtype=torch.float32)
    pick = {"both": slice(0, 2), "trace": slice(0, 1), "last": slice(1, 2)}[used]

    def gradients() -> tuple[Tensor, ...]:
        return torch.autograd.grad(
            trace(x, state, decay=0.8, time_dim=1)[pick], (x, state), (g, h)[pick]
        )

    assert_close(gradients, error=1e-6)


def test_a_gradient_has_a_gradient() -> None:
    """The filter is linear: the Hessian of a square of it is not zero."""
    x = cases.normal(5, 3, dtype=torch.float32).requires_grad_()
    v = cases.normal(5, 3, seed=1, dtype=torch.float32)

    def product_with_hessian() -> tuple[Tensor, ...]:
        y, last = trace(x, decay=0.8, time_dim=0)
        (grad,) = torch.autograd.grad((y**2).sum() + (last**3).sum(), x, create_graph=True)
        return torch.autograd.grad(grad, x, v)

    assert float(both(product_with_hessian)[0][0].abs().min()) > 0
    assert_close(product_with_hessian, error=1e-5)


def test_gradients_of_functions() -> None:
    x = cases.normal(5, 3, dtype=torch.float32)
    gradient = torch.func.grad(lambda x: (trace(x, decay=0.8, time_dim=0)[0] ** 2).sum())
    assert_close(lambda: (gradient(x),), error=1e-5)


def test_it_saves_nothing() -> None:
    saved = []
    x = cases.lattice(4, 3).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(saved.append, lambda x: x), only("cpu"):
        assert trace(x, decay=0.5, time_dim=0)[0].requires_grad
    assert saved == []


@pytest.mark.parametrize("shape", [(3, 0), (0, 3, 5)])
def test_an_empty_batch_is_a_batch(shape: tuple[int, ...]) -> None:
    x = torch.zeros(shape, requires_grad=True)
    time_dim = len(shape) - 2
    assert_same_bits(lambda: trace(x, decay=0.5, time_dim=time_dim))
    with only("cpu"):
        y, last = trace(x, decay=0.5, time_dim=time_dim)
    assert torch.autograd.grad(y.sum() + last.sum(), x)[0].shape == shape


@pytest.mark.parametrize("name", ["cpu", "reference"])
def test_no_step_is_an_error(name: str) -> None:
    for state in (None, torch.zeros(2, 3)):
        message = r"the input of trace has no time step: its shape \(2, 0, 3\)"
        with only(name), pytest.raises(ValueError, match=message):
            trace(torch.zeros(2, 0, 3), state, decay=0.5, time_dim=1)


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (torch.zeros(2, 3).double(), "works in float32, got torch.float64"),
        (torch.zeros(2, 3, device="meta"), "needs tensors on the cpu, got meta"),
    ],
)
def test_it_says_why_it_refuses(x: Tensor, reason: str) -> None:
    with only("cpu"), pytest.raises(RefusedError, match=f"trace cannot run: cpu: {reason}"):
        trace(x, decay=0.5, time_dim=0)
    assert explain(op._TRACE, x, None, decay=0.5, time_dim=0).startswith(
        f"trace/cpu: refuses, {reason}"
    )
