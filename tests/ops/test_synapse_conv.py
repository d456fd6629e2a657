"""ops/synapse/conv_cpu: a convolution event by event, forward and backward, against float64."""

from collections.abc import Iterator
from itertools import product

import pytest
import torch

from bayesnn_spike.ops import BFloat16, RefusedError, explain, only
from bayesnn_spike.ops.precision import precision
from bayesnn_spike.ops.synapse import conv2d
from bayesnn_spike.ops.synapse.choice import MAX_MAP_DENSITY
from tests.ops import cases
from tests.ops.conv_pairs import DRAWS, SHAPES, B, K, M, T, assert_near, run, tensors


@pytest.fixture
def threads() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


@pytest.mark.parametrize(("of_x", "of_w", "of_b"), list(product(DRAWS, DRAWS, ("absent", *DRAWS))))
def test_every_use_of_k(of_x, of_w, of_b) -> None:
    inputs = tensors(of_x, of_w, of_b)
    expected = run(conv2d, "reference", inputs, dtype=torch.float64)
    assert_near(run(conv2d, "cpu", inputs), expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rate", [0.0, 0.05, 0.15])
def test_every_shape_of_maps_and_kernels(shape, rate: float) -> None:
    inputs = tensors(None, K, K, shape, rate=rate)
    expected = run(conv2d, "reference", inputs, shape, torch.float64)
    assert_near(run(conv2d, "cpu", inputs, shape), expected)


def test_strides_do_not_matter() -> None:
    inputs = tensors(K, K, K)
    turned = [x.movedim(0, -1).contiguous().movedim(-1, 0) for x in inputs]
    assert not turned[0].is_contiguous()
    for one, two in zip(run(conv2d, "cpu", inputs), run(conv2d, "cpu", turned), strict=True):
        assert torch.equal(one, two)


def test_an_empty_batch_is_a_batch() -> None:
    for of_x in (None, K):
        inputs = tensors(of_x, K, "absent", batch=0)
        found, dx, dw = run(conv2d, "cpu", inputs)
        assert found.shape == (K, T, 0, M, 5, 6)
        assert dx.shape == inputs[0].shape
        assert torch.equal(dw, torch.zeros(inputs[1].shape))


def test_threads_change_nothing(threads) -> None:
    inputs = [
        cases.spikes(10, 30, 5, 8, 8, rate=0.1),
        cases.normal(2, 70, 5, 3, 3, dtype=torch.float32),
    ]
    found = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append(run(conv2d, "cpu", inputs)[::2])  # the gradient of spikes is the library's
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_only_the_gradient_of_the_spikes_is_rounded_to_bfloat16() -> None:
    inputs = tensors(K, K, "absent")
    full = run(conv2d, "cpu", inputs)
    with precision(BFloat16()):
        low = run(conv2d, "cpu", inputs)
    assert torch.equal(low[0], full[0])
    assert torch.equal(low[2], full[2])
    assert not torch.equal(low[1], full[1])
    torch.testing.assert_close(low[1], full[1], rtol=0.05, atol=0.3)


def test_a_second_derivative_is_refused_in_a_sentence() -> None:
    x, w = (v.requires_grad_() for v in tensors(None, None, "absent"))
    with only("cpu"):
        grads = torch.autograd.grad(conv2d(x, w).square().sum(), [x, w], create_graph=True)
    with pytest.raises(RuntimeError, match="conv2d has no gradient itself"):
        torch.autograd.grad(grads[0].sum(), w)


WINDOW = {"stride": 1, "padding": 0}


def test_what_is_dense_small_or_a_number_is_refused_in_a_sentence() -> None:
    x, w = tensors(None, None, "absent")
    assert explain(conv2d, x, w, None, **WINDOW).startswith("conv2d/cpu: runs")
    said = explain(conv2d, torch.ones_like(x), w, None, **WINDOW)
    assert f"pays off below a density of {MAX_MAP_DENSITY}, got 1.00" in said
    said = explain(conv2d, x, w[:7], None, **WINDOW)
    assert "pays off from 64 outputs, or 32 of 16 channels, got 7 of 2" in said
    for place in (0, -1):
        counts = x.clone()
        counts.view(-1)[place] = 2.0
        assert "needs spikes of 0 and 1" in explain(conv2d, counts, w, None, **WINDOW)
        with only("cpu"), pytest.raises(RefusedError, match="needs spikes of 0 and 1"):
            conv2d(counts, w)
    assert "works in float32" in explain(conv2d, x.double(), w.double(), None, **WINDOW)


@pytest.mark.parametrize(
    ("outputs", "channels", "rate", "runs"),
    [
        (32, 16, 0.2, True),
        (32, 16, 0.3, False),
        (31, 16, 0.2, False),
        (32, 15, 0.2, False),
        (63, 16, 0.2, True),
        (64, 1, 0.3, True),
        (64, 1, 0.4, False),
    ],
)
def test_few_outputs_need_channels_and_sparser_spikes(outputs, channels, rate, runs) -> None:
    x = cases.spikes(4, 3, channels, 9, 9, rate=rate)
    w = cases.normal(outputs, channels, 3, 3, dtype=torch.float32)
    assert explain(conv2d, x, w, None, **WINDOW).startswith("conv2d/cpu: runs") is runs


@pytest.mark.parametrize("name", ["cpu", "reference"])
def test_a_kernel_larger_than_the_map_is_named(name: str) -> None:
    with only(name), pytest.raises(ValueError, match="a kernel of 3 does not fit into 2"):
        conv2d(torch.zeros(T, B, 1, 2, 5), torch.zeros(64, 1, 3, 3))
