"""ops/adam: against the formula in float64, and the compiled step against PyTorch's bits."""

from collections.abc import Iterator

import pytest
import torch

from bayesnn_spike.ops import explain, only
from bayesnn_spike.ops.adam import Step, adam
from tests.ops import cases

STEPS = [
    Step(1e-2, 0.9, 0.999, 1e-8, 1),
    Step(0.3, 0.95, 0.99, 1e-12, 7),
    Step(1e-3, 0.3, 0.9, 1e-3, 100),  # lerp starts from the other end
    Step(1e-2, 0.0, 0.0, 1e-8, 3),
]
SIZES = [(0,), (1,), (15,), (16,), (17,), (3, 11, 7), (400, 513)]


@pytest.fixture
def threads() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


def tensors(*shape: int, dtype: torch.dtype = torch.float32):
    values, grad, mean = (cases.normal(*shape, seed=i, dtype=dtype) for i in range(3))
    return (
        values,
        grad * 1e-3,
        mean * 1e-3,
        cases.normal(*shape, seed=3, dtype=dtype).square() * 1e-6,
    )


@pytest.mark.parametrize("step", STEPS)
def test_the_reference_is_the_formula(step: Step) -> None:
    x, g, m, v = tensors(50, dtype=torch.float64)
    with only("reference"):
        moved, mean, square = adam(x, g, m, v, step)
    m = step.beta1 * m + (1 - step.beta1) * g
    v = step.beta2 * v + (1 - step.beta2) * g * g
    first, second = 1 - step.beta1**step.count, 1 - step.beta2**step.count
    torch.testing.assert_close(mean, m)
    torch.testing.assert_close(square, v)
    torch.testing.assert_close(moved, x - step.lr * (m / first) / ((v / second).sqrt() + step.eps))


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("shape", SIZES)
def test_the_compiled_step_has_the_reference_s_bits(shape, step: Step) -> None:
    inputs = tensors(*shape)
    flat = inputs[1].view(-1)
    for place, value in ((2, 0.0), (5, float("nan")), (9, float("inf")), (11, 1e-30)):
        flat[place : place + 1] = value
    copies = [t.clone() for t in inputs]
    found = []
    for name in ("cpu", "reference"):
        with only(name):
            found.append(adam(*inputs, step))
    for one, two in zip(*found, strict=True):
        assert one.shape == two.shape
        torch.testing.assert_close(one, two, rtol=0, atol=0, equal_nan=True)
    for tensor, copy in zip(inputs, copies, strict=True):
        torch.testing.assert_close(tensor, copy, rtol=0, atol=0, equal_nan=True)


def test_strides_do_not_matter() -> None:
    inputs = tensors(40, 60)
    turned = [t.T.contiguous().T for t in inputs]
    with only("cpu"):
        for one, two in zip(adam(*inputs, STEPS[0]), adam(*turned, STEPS[0]), strict=True):
            assert torch.equal(one, two)


def test_threads_change_nothing(threads) -> None:
    inputs, found = tensors(700, 500), []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        with only("cpu"):
            found.append(adam(*inputs, STEPS[0]))
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_guards_and_sentences() -> None:
    x, g, m, v = tensors(4)
    with pytest.raises(ValueError, match="the gradient"):
        adam(x, g[:3], m, v, STEPS[0])
    doubles = [t.double() for t in (x, g, m, v)]
    assert "adam/cpu: refuses, works in float32" in explain(adam, *doubles, STEPS[0])
