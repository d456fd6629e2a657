"""ops/synapse/straight: signs forward and straight through backward, against float64."""

from collections.abc import Iterator
from itertools import product

import pytest
import torch
from torch import Tensor

from bayesnn_spike.ops import RefusedError, explain, only
from bayesnn_spike.ops.synapse import linear, straight_linear
from bayesnn_spike.ops.synapse.straight import through_signs
from tests.ops import cases

K, T, B, N, M = 3, 5, 4, 70, 37
DRAWS = (None, 1, K)


@pytest.fixture
def threads() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


def with_draws(draws: int | None, *shape: int) -> tuple[int, ...]:
    return shape if draws is None else (draws, *shape)


def tensors(of_x, of_w, of_b, rate: float = 0.2, outputs: int = M) -> list[Tensor]:
    found = [
        cases.spikes(*with_draws(of_x, T, B, N), rate=rate),
        cases.normal(*with_draws(of_w, outputs, N), seed=1, dtype=torch.float32),
    ]
    if of_b != "absent":
        shape = with_draws(of_b, outputs)
        found.append(cases.normal(*shape, seed=2, dtype=torch.float32))
    return found


def run(name: str, inputs: list[Tensor], dtype: torch.dtype = torch.float32, scale: float = 0.5):
    """Currents, and gradients for a cotangent of numbers."""
    leaves = [x.to(dtype).requires_grad_() for x in inputs]
    with only(name):
        found = straight_linear(*leaves, scale=scale)
        g = cases.normal(*found.shape, seed=3).to(dtype)
        return [found.detach(), *torch.autograd.grad(found, leaves, g)]


@pytest.mark.parametrize(("of_x", "of_w", "of_b"), list(product(DRAWS, DRAWS, ("absent", *DRAWS))))
def test_currents_and_gradients_are_those_of_the_reference(of_x, of_w, of_b) -> None:
    inputs = tensors(of_x, of_w, of_b)
    expected = run("reference", inputs, torch.float64)
    for one, two in zip(run("cpu", inputs), expected, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one.double(), two, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("rate", [0.0, 0.03, 0.3, 0.6, 1.0])
def test_without_a_bias_currents_are_the_reference_s_bits_at_any_density(rate) -> None:
    inputs = tensors(None, K, "absent", rate)
    for scale in (1.0, 0.37):
        found, expected = (run(name, inputs, scale=scale) for name in ("cpu", "reference"))
        assert torch.equal(found[0], expected[0])
        for one, two in zip(found[1:], expected[1:], strict=True):
            torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-4)


def test_more_than_255_events_are_counted() -> None:
    x, w = torch.ones(1, 2, 1000), cases.normal(40, 1000, dtype=torch.float32)
    with only("cpu"):
        found = straight_linear(x, w)
    assert torch.equal(found, linear(x, through_signs(w)))


def test_zero_is_plus_one_and_nan_is_minus_one_everywhere() -> None:
    w = torch.zeros(32, 4)
    w[0] = torch.tensor([0.0, -0.0, float("nan"), -1e-45])
    x = torch.eye(4).view(4, 1, 4)
    for name in ("cpu", "reference"):
        with only(name):
            assert straight_linear(x, w)[:, 0, 0].tolist() == [1, 1, -1, -1]


def test_spikes_that_are_numbers_are_multiplied() -> None:
    inputs = tensors(K, K, K)
    inputs[0] = inputs[0] * cases.lattice(K, T, B, N)
    for one, two in zip(run("cpu", inputs), run("reference", inputs, torch.float64), strict=True):
        torch.testing.assert_close(one.double(), two, rtol=1e-5, atol=1e-4)


def test_an_empty_batch_is_a_batch() -> None:
    for of_x in (None, K):
        inputs = [x[..., :0, :] if i == 0 else x for i, x in enumerate(tensors(of_x, K, "absent"))]
        found, dx, dw = run("cpu", inputs)
        assert found.shape == (K, T, 0, M)
        assert dx.shape == inputs[0].shape
        assert torch.equal(dw, torch.zeros(K, M, N))


def test_threads_change_nothing(threads) -> None:
    inputs = [
        cases.spikes(2, 20, 30, 200, rate=0.1),
        cases.normal(2, 150, 200, dtype=torch.float32),
    ]
    found = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append(run("cpu", inputs))
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("name", ["cpu", "reference"])
def test_a_draw_s_loss_reaches_its_own_weights_only(name: str) -> None:
    x, w = tensors(None, K, "absent")
    w.requires_grad_()
    with only(name):
        grad = torch.autograd.grad(straight_linear(x, w)[1].sum(), w)[0]
    assert grad.flatten(1).any(1).tolist() == [False, True, False]


def test_the_gradient_is_that_at_the_signs_and_passes_as_it_is() -> None:
    x, w = tensors(K, K, "absent")
    w.requires_grad_()
    signs = through_signs(w.detach()).requires_grad_()
    g = cases.normal(K, T, B, M, seed=3, dtype=torch.float32)
    with only("reference"):
        found = torch.autograd.grad(straight_linear(x, w), w, g)[0]
        expected = torch.autograd.grad(linear(x, signs), signs, g)[0]
    assert torch.equal(found, expected)


def test_a_second_derivative_is_refused_in_a_sentence() -> None:
    x, w = tensors(None, None, "absent")
    w.requires_grad_()
    x.requires_grad_()
    with only("cpu"):
        grads = torch.autograd.grad(straight_linear(x, w).square().sum(), [x, w], create_graph=True)
    with pytest.raises(RuntimeError, match="straight_linear has no gradient itself"):
        torch.autograd.grad(grads[0].sum(), w)


def test_few_outputs_are_refused_and_shapes_are_named() -> None:
    inputs = tensors(None, None, "absent", outputs=7)
    assert "cpu: refuses, pays off from 32 outputs, got 7" in explain(
        straight_linear, *inputs, None, scale=1.0
    )
    with only("cpu"), pytest.raises(RefusedError, match="pays off from 32 outputs, got 7"):
        straight_linear(*inputs)
    with pytest.raises(ValueError, match=r"takes 70 inputs, the spikes have 3"):
        straight_linear(torch.zeros(2, 2, 3), inputs[1])
