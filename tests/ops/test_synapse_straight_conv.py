"""ops/synapse/straight: convolutions with signs, straight through backward, against float64."""

from collections.abc import Iterator
from itertools import product

import pytest
import torch

from bayesnn_spike.ops import BFloat16, RefusedError, explain, only
from bayesnn_spike.ops.precision import precision
from bayesnn_spike.ops.synapse import conv2d, straight_conv2d, straight_rows
from bayesnn_spike.ops.synapse.straight import through_signs
from tests.ops import cases
from tests.ops.conv_pairs import DRAWS, SHAPES, K, M, T, assert_near, run, tensors


@pytest.fixture
def threads() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


@pytest.mark.parametrize(("of_x", "of_w", "of_b"), list(product(DRAWS, DRAWS, ("absent", *DRAWS))))
def test_currents_are_the_reference_s_bits_and_gradients_near_float64(of_x, of_w, of_b) -> None:
    inputs = tensors(of_x, of_w, of_b)
    found = run(straight_conv2d, "cpu", inputs, scale=0.37)
    expected = run(straight_conv2d, "reference", inputs, dtype=torch.float64, scale=0.37)
    assert_near(found, expected)
    assert torch.equal(found[0], run(straight_conv2d, "reference", inputs, scale=0.37)[0])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rate", [0.0, 0.05, 0.3, 0.6, 1.0])
def test_every_shape_at_any_density(shape, rate: float) -> None:
    for of_x in (None, K):
        inputs = tensors(of_x, K, "absent", shape, rate=rate)
        found = run(straight_conv2d, "cpu", inputs, shape, scale=0.5)
        assert_near(
            found, run(straight_conv2d, "reference", inputs, shape, torch.float64, scale=0.5)
        )
        assert torch.equal(found[0], run(straight_conv2d, "reference", inputs, shape, scale=0.5)[0])


def test_spikes_that_are_numbers_are_multiplied() -> None:
    inputs = tensors(K, K, K)
    inputs[0] = inputs[0] * cases.lattice(*inputs[0].shape)
    leaves = [x.clone().requires_grad_() for x in inputs]
    found = straight_conv2d(*leaves, stride=1, padding=1, scale=0.5)
    g = cases.normal(*found.shape, seed=3).float()
    grads = torch.autograd.grad(found, leaves, g)
    expected = run(straight_conv2d, "reference", inputs, dtype=torch.float64, scale=0.5)
    assert_near([found.detach(), *grads], expected)


def test_chunks_of_frames_change_nothing(monkeypatch) -> None:
    inputs = tensors(K, K, K)
    whole = run(straight_conv2d, "cpu", inputs)
    monkeypatch.setattr(straight_rows, "_ROWS", 60)  # two frames of 30 rows
    parts = run(straight_conv2d, "cpu", inputs)
    assert all(torch.equal(one, two) for one, two in zip(parts, whole, strict=True))


def test_strides_do_not_matter() -> None:
    inputs = tensors(K, K, K)
    turned = [x.movedim(0, -1).contiguous().movedim(-1, 0) for x in inputs]
    pairs = zip(
        run(straight_conv2d, "cpu", inputs), run(straight_conv2d, "cpu", turned), strict=True
    )
    assert all(torch.equal(one, two) for one, two in pairs)


def test_an_empty_batch_is_a_batch() -> None:
    for of_x in (None, K):
        inputs = tensors(of_x, K, K, batch=0)
        found, dx, dw, db = run(straight_conv2d, "cpu", inputs)
        assert found.shape == (K, T, 0, M, 5, 6)
        assert dx.shape == inputs[0].shape
        assert torch.equal(dw, torch.zeros(inputs[1].shape))
        assert torch.equal(db, torch.zeros(K, M))


def test_threads_change_nothing(threads) -> None:
    inputs = [
        cases.spikes(10, 30, 5, 8, 8, rate=0.1),
        cases.normal(2, 70, 5, 3, 3, dtype=torch.float32),
    ]
    found = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append(run(straight_conv2d, "cpu", inputs))
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("rate", [0.2, 0.8])
def test_bfloat16_rounds_dense_products_only(rate: float) -> None:
    """The gradient of the spikes; that of the weights where spikes are dense."""
    inputs = tensors(K, K, "absent", rate=rate)
    full = run(straight_conv2d, "cpu", inputs)
    with precision(BFloat16()):
        low = run(straight_conv2d, "cpu", inputs)
    assert torch.equal(low[0], full[0])
    assert not torch.equal(low[1], full[1])
    assert torch.equal(low[2], full[2]) == (rate == 0.2)
    for one, two in zip(low, full, strict=True):
        torch.testing.assert_close(one, two, rtol=0.05, atol=0.5)


@pytest.mark.parametrize("wanted", [[0], [1], [2], [0, 2], [1, 2]])
def test_only_wanted_gradients_are_given(wanted: list[int]) -> None:
    inputs = tensors(K, K, K)
    everything = run(straight_conv2d, "cpu", inputs)
    leaves = [x.clone().requires_grad_(i in wanted) for i, x in enumerate(inputs)]
    with only("cpu"):
        found = straight_conv2d(*leaves, stride=1, padding=1)
    g = cases.normal(*found.shape, seed=3).float()
    grads = torch.autograd.grad(found, [leaves[i] for i in wanted], g)
    assert all(torch.equal(grad, everything[1 + i]) for i, grad in zip(wanted, grads, strict=True))


def test_the_gradient_is_that_at_the_signs() -> None:
    inputs = tensors(K, K, "absent")
    x, w = (v.requires_grad_() for v in inputs)
    signs = through_signs(w.detach()).requires_grad_()
    with only("reference"):
        one, two = straight_conv2d(x, w, padding=1), conv2d(x, signs, padding=1)
        g = cases.normal(*one.shape, seed=3, dtype=torch.float32)
        assert torch.equal(torch.autograd.grad(one, w, g)[0], torch.autograd.grad(two, signs, g)[0])


def test_a_second_derivative_is_refused_in_a_sentence() -> None:
    x, w = (v.requires_grad_() for v in tensors(None, None, "absent"))
    with only("cpu"):
        y = straight_conv2d(x, w)
        grads = torch.autograd.grad(y.square().sum(), [x, w], create_graph=True)
    with pytest.raises(RuntimeError, match="straight_conv2d has no gradient itself"):
        torch.autograd.grad(grads[0].sum(), w)


def test_few_outputs_are_refused_and_shapes_are_named() -> None:
    x, w = tensors(None, None, "absent")
    with only("cpu"), pytest.raises(RefusedError, match="pays off from 64 outputs, got 7"):
        straight_conv2d(x, w[:7])
    said = explain(straight_conv2d, x, w[:7], None, stride=1, padding=0, scale=1.0)
    assert said.startswith("straight_conv2d/cpu: refuses, pays off from 64 outputs, got 7")
    with pytest.raises(ValueError, match="takes 2 inputs, the spikes have 3"):
        straight_conv2d(torch.zeros(2, 2, 3, 5, 6), w)
    with pytest.raises(ValueError, match="a kernel of 3 does not fit into 2"):
        straight_conv2d(torch.zeros(2, 2, 2, 2, 6), w)
