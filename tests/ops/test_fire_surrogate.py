"""ops/fire/surrogate: every surrogate against its formula, its peak and its integral."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate

from bayesnn_spike.neurons import (
    Above,
    ATan,
    AtOrAbove,
    Boxcar,
    FastSigmoid,
    Gaussian,
    Sigmoid,
    Triangle,
)
from bayesnn_spike.ops.fire.surrogate import spike


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


# value: (formula, peak, integral); None where the integral is not finite or not of interest.
TABLE = {
    Boxcar(): (lambda x: float(-0.5 < x <= 0.5), 1.0, 1.0),
    Boxcar(3.0): (lambda x: float(-1.5 < x <= 1.5), 1.0, 3.0),
    Triangle(): (lambda x: max(0.0, 1 - abs(x)), 1.0, 1.0),
    Triangle(2.0): (lambda x: max(0.0, 1 - abs(x) / 2), 1.0, 2.0),
    FastSigmoid(2.0): (lambda x: 1 / (1 + 2 * abs(x)) ** 2, 1.0, 1.0),
    FastSigmoid(5.0): (lambda x: 1 / (1 + 5 * abs(x)) ** 2, 1.0, 0.4),
    ATan(2.0): (lambda x: 1 / (1 + (math.pi * x) ** 2), 1.0, 1.0),
    ATan(3.0): (lambda x: 1.5 / (1 + (1.5 * math.pi * x) ** 2), 1.5, 1.0),
    Sigmoid(4.0): (lambda x: 4 * logistic(4 * x) * logistic(-4 * x), 1.0, 1.0),
    Sigmoid(1.0): (lambda x: logistic(x) * logistic(-x), 0.25, 1.0),
    Gaussian(0.5): (
        lambda x: math.exp(-2 * x * x) / (0.5 * math.sqrt(2 * math.pi)),
        0.7978845608,
        1.0,
    ),
}
CASES = pytest.mark.parametrize("value", TABLE, ids=repr)


@CASES
def test_the_derivative_is_the_formula(value) -> None:
    points = [-7.0, -1.5, -1.0, -0.5, -0.25, -1e-9, 0.0, 0.1, 0.5, 0.500001, 1.0, 1.5, 2.5]
    x = torch.tensor(points, dtype=torch.float64)
    expected = torch.tensor([TABLE[value][0](p) for p in points], dtype=torch.float64)
    torch.testing.assert_close(value.grad(x), expected, rtol=1e-12, atol=1e-300)


@CASES
def test_its_peak_is_at_the_threshold(value) -> None:
    x = torch.linspace(-3, 3, 6001, dtype=torch.float64)
    peak = float(value.grad(torch.zeros((), dtype=torch.float64)))
    assert peak == pytest.approx(TABLE[value][1], rel=1e-9)
    assert float(value.grad(x).max()) <= peak


@CASES
def test_its_integral(value) -> None:
    def density(x: float) -> float:
        return float(value.grad(torch.tensor(x, dtype=torch.float64)))

    half = integrate.quad(density, 0, np.inf)[0]
    if isinstance(value, Boxcar):  # quad does not find an edge on an infinite range
        half = integrate.quad(density, 0, 5, points=[value.width / 2])[0]
    assert 2 * half == pytest.approx(TABLE[value][2], rel=1e-6)


@CASES
@pytest.mark.parametrize("comparison", [AtOrAbove(), Above()], ids=repr)
def test_a_spike_steps_forward_and_slopes_backward(value, comparison) -> None:
    x = torch.tensor([-1.0, -0.0, 0.0, 0.25], dtype=torch.float64, requires_grad=True)
    s = spike(x, value, comparison)
    at_zero = 1.0 if isinstance(comparison, AtOrAbove) else 0.0
    assert s.tolist() == [0.0, at_zero, at_zero, 1.0]
    cotangent = torch.tensor([1.0, -2.0, 3.0, 0.5], dtype=torch.float64)
    (grad,) = torch.autograd.grad(s, x, cotangent)
    torch.testing.assert_close(grad, cotangent * value.grad(x.detach()))


@CASES
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_dtype_is_kept(value, dtype: torch.dtype) -> None:
    x = torch.zeros(3, dtype=dtype, requires_grad=True)
    s = spike(x, value, AtOrAbove())
    (grad,) = torch.autograd.grad(s.sum(), x)
    assert s.dtype == grad.dtype == dtype


@pytest.mark.parametrize("kind", [Boxcar, Triangle, FastSigmoid, ATan, Sigmoid, Gaussian])
@pytest.mark.parametrize("number", [0.0, -1.0, float("nan")])
def test_a_width_that_is_not_positive_is_refused(kind: type, number: float) -> None:
    with pytest.raises(ValueError, match=rf"{kind.__name__}\.\w+ must be positive"):
        kind(number)


def test_values_compare_and_hash() -> None:
    assert Boxcar(1.0) == Boxcar()
    assert len({ATan(2.0), ATan(), ATan(3.0)}) == 2
