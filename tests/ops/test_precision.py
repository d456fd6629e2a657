"""ops/precision: what bfloat16 rounds, what it leaves alone, and where it is set."""

import pytest
import torch

from bayesnn_spike import learn, models
from bayesnn_spike.learn import rules
from bayesnn_spike.learn.optimizers import Sgd
from bayesnn_spike.ops import BFloat16, Float32, only
from bayesnn_spike.ops.precision import in_precision, in_use, precision
from bayesnn_spike.ops.synapse import conv2d, linear, straight_linear
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch
from tests.ops import cases


def rounded(x: torch.Tensor) -> torch.Tensor:
    return x.to(torch.bfloat16).to(x.dtype)


def test_it_holds_inside_the_block_only() -> None:
    assert in_use() == Float32()
    with precision(BFloat16()):
        assert in_use() == BFloat16()
        with precision(Float32()):
            assert in_use() == Float32()
    with pytest.raises(ZeroDivisionError), precision(BFloat16()):
        _ = 1 / 0
    assert in_use() == Float32()


def test_another_value_is_refused_in_a_sentence() -> None:
    with (
        pytest.raises(TypeError, match=r"Float32\(\) or BFloat16\(\), got 'bf16'"),
        precision("bf16"),
    ):
        pass


def test_factors_and_result_are_rounded_and_float64_is_not() -> None:
    a, b = (cases.normal(30, 30, seed=i, dtype=torch.float32) for i in range(2))
    found = in_precision(torch.matmul, a, b, how=BFloat16())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, rounded(a) @ rounded(b), rtol=2**-8, atol=1e-5)
    assert not torch.equal(found, a @ b)
    doubles = in_precision(torch.matmul, a.double(), b.double(), how=BFloat16())
    assert torch.equal(doubles, a.double() @ b.double())


@pytest.mark.parametrize("of_b", [None, (5,), (2, 5)])
def test_dense_products_forward_and_backward(of_b) -> None:
    bias = None if of_b is None else cases.normal(*of_b, seed=3, dtype=torch.float32)
    x = cases.normal(2, 3, 4, 20, dtype=torch.float32).requires_grad_()
    w = cases.normal(2, 5, 20, seed=1, dtype=torch.float32).requires_grad_()
    image = cases.normal(2, 3, 4, 2, 5, 5, dtype=torch.float32)
    kernel = cases.normal(2, 5, 2, 3, 3, seed=1, dtype=torch.float32)
    full, maps = linear(x, w, bias), conv2d(image, kernel, bias)
    with precision(BFloat16()):
        found, low = linear(x, w, bias), conv2d(image, kernel, bias)
    for one, two in ((found, full), (low, maps)):
        assert one.dtype == torch.float32
        assert not torch.equal(one, two)
        torch.testing.assert_close(one, two, rtol=0.05, atol=0.1)
    for one, two in zip(
        torch.autograd.grad(found.sum(), [x, w]),
        torch.autograd.grad(full.sum(), [x, w]),
        strict=True,
    ):
        torch.testing.assert_close(one, two, rtol=0.05, atol=0.1)


def test_sums_over_events_and_packed_signs_are_not_rounded() -> None:
    """Only the gradient of the spikes is a dense product there."""
    x = cases.spikes(2, 6, 5, 70, rate=0.1).requires_grad_()
    w = cases.normal(2, 40, 70, dtype=torch.float32).requires_grad_()
    g = cases.normal(2, 6, 5, 40, seed=1, dtype=torch.float32)
    for op in (linear, straight_linear):
        with only("cpu"):
            full = op(x, w)
            before = torch.autograd.grad(full, [x, w], g)
            with precision(BFloat16()):
                found = op(x, w)
            after = torch.autograd.grad(found, [x, w], g)
        assert torch.equal(found, full)
        assert torch.equal(after[1], before[1])
        assert not torch.equal(after[0], before[0])
        torch.testing.assert_close(after[0], before[0], rtol=0.05, atol=0.2)


def test_a_learner_takes_it_for_its_updates_alone() -> None:
    network = models.mlp(40, (20,), 3)
    batch = Batch(cases.spikes(5, 8, 40), torch.arange(8) % 3)
    after = []
    for how in (Float32(), BFloat16()):
        task = learn.learner(
            rules.Gradient(Sgd(0.1)), network, learn.RateCrossEntropy(), precision=how
        )
        state, _ = task.update(task.init(Stream(0)), batch)
        after.append(state.rule.latents["readout.weight"])
    assert in_use() == Float32()
    assert not torch.equal(*after)
    torch.testing.assert_close(*after, rtol=0, atol=0.003)
