"""ops/fire/kernels: every slope and the exponential, point by point, and the bits."""

from typing import get_args

import numpy as np
import pytest
import torch

from bayesnn_spike.neurons import ATan, Boxcar, FastSigmoid, Gaussian, Sigmoid, Triangle
from bayesnn_spike.ops.fire import kernels
from bayesnn_spike.ops.fire.surrogate import Surrogate

VALUES = [Boxcar(), Boxcar(0.3), Triangle(), Triangle(0.7), FastSigmoid(2.0), FastSigmoid(25.0)]
VALUES += [ATan(2.0), ATan(0.3), Sigmoid(4.0), Sigmoid(0.9), Gaussian(0.5), Gaussian(2.3)]
SPECIAL = [0.0, -0.0, torch.nan, torch.inf, -torch.inf, 1e-45, -1e-45, 3e38, -3e38, 0.15, -0.15]


def slopes(value: Surrogate, u: torch.Tensor, threshold: float) -> torch.Tensor:
    out = torch.full_like(u, torch.nan)
    code, number = kernels.coded(value)
    kernels._slopes(u.numpy(), np.float32(threshold), code, number, out.numpy())
    return out


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_slope_is_the_surrogate_s(value) -> None:
    """To a few units in the last place of its peak, with NaN and the ends as they are there."""
    u = torch.cat([torch.linspace(-9, 9, 3601), torch.tensor(SPECIAL)])
    u = torch.cat([u, torch.logspace(-30, 30, 601), -torch.logspace(-30, 30, 601)])
    for threshold in (0.0, 0.7):
        expected = value.grad(u - threshold)
        peak = float(value.grad(torch.zeros(())))
        found = slopes(value, u, threshold)
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=4e-7 * peak, equal_nan=True)
        assert int(found.isnan().sum()) == int(expected.isnan().sum())


def test_the_edges_of_the_boxcar_are_the_same_floats() -> None:
    half = torch.tensor([0.5, -0.5])
    u = torch.cat([half, half.nextafter(half * 2), half.nextafter(half * 0)])
    assert slopes(Boxcar(), u, 0.0).tolist() == [1, 0, 0, 0, 1, 1]


def test_every_surrogate_has_its_code() -> None:
    assert get_args(Surrogate) == kernels.SURROGATES
    assert kernels.coded(Gaussian(0.25)) == (5, 0.25)


def test_the_exponential_is_right_to_two_units_in_the_last_place() -> None:
    z = np.concatenate([np.linspace(-86.99, 0, 4001), -np.logspace(-30, 0, 301)]).astype(np.float32)
    found = np.array([kernels._exp(x) for x in z], np.float32)
    np.testing.assert_allclose(found, np.exp(z.astype(np.float64)), rtol=2.4e-7, atol=0)
    assert kernels._exp(np.float32(0)) == 1
    assert kernels._exp(np.float32(-np.inf)) == 0
    assert kernels._exp(np.float32(-88)) == 0
    assert np.isnan(kernels._exp(np.float32(np.nan)))


@pytest.mark.parametrize("steps", [1, 3, 4, 5, 8, 9])
@pytest.mark.parametrize("each", [1, 2])
@pytest.mark.parametrize("tie", [0, 1])
def test_bits_come_back(tie: int, each: int, steps: int) -> None:
    u = np.random.default_rng(0).choice([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0], (steps, 50))
    u = u.astype(np.float32)
    bits = np.zeros((-(-steps * each // 8), 50), np.uint8)
    held = np.zeros(50, np.float32)
    options = np.float32(0), np.float32(0.5), np.float32(tie), each
    for t in range(steps):
        row = bits[t * each // 8]
        kernels._pack(u[t], *options, t, steps, held, row)
    assert not held.any()
    slope, stay = np.full(50, np.nan, np.float32), np.full(50, np.nan, np.float32)
    for t in range(steps):
        kernels._unpack(bits[t * each // 8], each, t, slope, stay)
        np.testing.assert_array_equal(slope, (u[t] > -0.5) & (u[t] <= 0.5))
        if each == 2:
            np.testing.assert_array_equal(stay, (u[t] < 0) | ((u[t] == 0) & (tie == 0)))
