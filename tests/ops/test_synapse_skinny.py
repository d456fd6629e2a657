"""ops/synapse/skinny: few outputs and many rows, for every use of K, against float64."""

from itertools import product

import pytest
import torch

from bayesnn_spike.ops import RefusedError, explain, only
from bayesnn_spike.ops.synapse import linear
from bayesnn_spike.ops.synapse.choice import MIN_ROWS
from tests.ops import cases

K, T, B, N, M = 3, 32, 32, 20, 5


@pytest.mark.parametrize(("of_x", "of_w"), list(product((None, 1, K), repeat=2)))
def test_currents_are_the_reference_s_and_gradients_right(of_x, of_w) -> None:
    x = cases.spikes(*((T, B, N) if of_x is None else (of_x, T, B, N)))
    w = cases.normal(*((M, N) if of_w is None else (of_w, M, N)), dtype=torch.float32)
    found = {}
    for name, dtype in (("cpu", torch.float32), ("reference", torch.float64)):
        leaves = [t.to(dtype).requires_grad_() for t in (x, w)]
        with only(name):
            y = linear(*leaves)
        g = cases.normal(*y.shape, seed=3).to(dtype)
        found[name] = [y.detach(), *torch.autograd.grad(y, leaves, g)]
    for one, two in zip(found["cpu"], found["reference"], strict=True):
        torch.testing.assert_close(one.double(), two, rtol=1e-5, atol=1e-4)


def test_few_rows_are_left_to_the_reference() -> None:
    w = cases.signs(M, N)
    assert "cpu: runs" in explain(linear, torch.zeros(MIN_ROWS, 1, N), w, None).replace("/", ": ")
    with only("cpu"), pytest.raises(RefusedError, match="32 outputs or 1024 rows, got 5 and 1023"):
        linear(torch.zeros(MIN_ROWS - 1, 1, N), w)


def test_a_second_derivative_is_that_of_the_reference() -> None:
    x, w = cases.normal(T, B, N, dtype=torch.float32), cases.normal(M, N, dtype=torch.float32)
    found = []
    for name in ("cpu", "reference"):
        leaves = [t.clone().requires_grad_() for t in (x, w)]
        with only(name):
            grad = torch.autograd.grad(linear(*leaves).square().sum(), leaves[1], create_graph=True)
            found.append(torch.autograd.grad(grad[0].sum(), leaves[0])[0])
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-2)
