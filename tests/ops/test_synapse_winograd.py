"""ops/synapse/winograd: the gradient of spikes through 3x3 kernels, against float64."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from bayesnn_spike.ops.synapse import winograd
from bayesnn_spike.ops.synapse.conv_rows import window_between
from bayesnn_spike.ops.synapse.lists import Geometry
from tests.ops import cases

# Channels, outputs, map and padding of each.
SHAPES = [
    (8, 64, (6, 6), 1),
    (16, 69, (14, 14), 1),
    (20, 5, (7, 10), 0),
    (64, 16, (3, 9), 2),
    (9, 33, (5, 5), (2, 0)),
    (8, 8, (1, 2), 1),
    (33, 130, (3, 3), 0),
]


@pytest.fixture
def threads() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


def geometry_of(channels: int, size: tuple[int, int], padding, stride=1, kernel=3) -> Geometry:
    spikes, weight = torch.empty(1, 1, channels, *size), torch.empty(1, channels, kernel, kernel)
    return window_between(spikes, weight, stride, padding).geometry


def gradient(
    g: Tensor, weight: Tensor, geometry: Geometry, out: np.ndarray, *, add=False
) -> Tensor:
    kernels = winograd.turned_kernels(weight.numpy())
    winograd.spike_gradient(g.flatten(2).numpy(), kernels, geometry, out, add=add)
    return torch.from_numpy(out).unflatten(2, (geometry.height, geometry.width))


def problem(shape, frames: int, numbers):
    channels, outputs, size, padding = shape
    geometry = geometry_of(channels, size, padding)
    g = numbers(frames, outputs, geometry.out_height, geometry.out_width).float()
    weight = numbers(outputs, channels, 3, 3, seed=1).float()
    expected = torch.nn.grad.conv2d_input(
        (frames, channels, *size), weight.double(), g.double(), 1, padding
    )
    return g, weight, geometry, expected


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("frames", [0, 1, 5])
def test_it_is_the_gradient(shape, frames: int) -> None:
    g, weight, geometry, expected = problem(shape, frames, cases.normal)
    out = np.full((frames, shape[0], shape[2][0] * shape[2][1]), np.nan, np.float32)
    found = gradient(g, weight, geometry, out)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_integers_are_exact_and_may_be_added(shape) -> None:
    g, _, geometry, _ = problem(shape, 3, cases.lattice)
    weight = cases.signs(shape[1], shape[0], 3, 3)
    size = (3, shape[0], *shape[2])
    expected = torch.nn.grad.conv2d_input(size, weight, g, 1, shape[3])
    out = np.empty((3, shape[0], shape[2][0] * shape[2][1]), np.float32)
    assert torch.equal(gradient(g, weight, geometry, out), expected)
    assert torch.equal(gradient(g, weight, geometry, out, add=True), 2 * expected)


def test_it_is_as_near_as_the_library() -> None:
    g, weight, geometry, expected = problem((64, 64, (14, 14), 1), 4, cases.normal)
    found = gradient(g, weight, geometry, np.empty((4, 64, 196), np.float32))
    library = torch.nn.grad.conv2d_input((4, 64, 14, 14), weight, g, 1, 1)
    error, usual = ((v.double() - expected).square().mean().sqrt() for v in (found, library))
    assert error < 2 * usual


def test_a_nan_stays_in_the_tiles_that_see_it() -> None:
    g, weight, geometry, _ = problem((8, 16, (8, 8), 1), 2, cases.normal)
    right = gradient(g, weight, geometry, np.empty((2, 8, 64), np.float32)).clone()
    g[0, 3, 0, 0] = torch.nan
    found = gradient(g, weight, geometry, np.empty((2, 8, 64), np.float32))
    assert bool(found[0, :, :2, :2].isnan().all())
    assert torch.equal(found[1], right[1])
    assert torch.equal(found[0, :, 2:], right[0, :, 2:])


def test_threads_change_nothing(threads) -> None:
    g, weight, geometry, _ = problem((16, 24, (7, 7), 1), 41, cases.normal)
    found = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append(gradient(g, weight, geometry, np.empty((41, 16, 49), np.float32)))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_what_does_not_fit(monkeypatch) -> None:
    right = geometry_of(8, (6, 6), 2)
    monkeypatch.setattr(winograd, "_FUSED", True)
    assert winograd.fits(right, 8)
    assert not winograd.fits(right, 7)
    assert not winograd.fits(geometry_of(8, (6, 6), 3), 8)
    assert not winograd.fits(geometry_of(8, (6, 6), 1, stride=(1, 2)), 8)
    assert not winograd.fits(geometry_of(8, (6, 6), 1, kernel=1), 8)
    monkeypatch.setattr(winograd, "_FUSED", False)
    assert not winograd.fits(right, 8)
