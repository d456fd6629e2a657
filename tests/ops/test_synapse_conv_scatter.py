"""ops/synapse/conv_scatter: gradients of weights over events against float64, in one order."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
import torch

from bayesnn_spike.ops.synapse.conv_scatter import conv_scatter
from tests.ops import cases
from tests.ops.conv_pairs import SHAPES, frames

KINDS = ("spikes", "quarters")


@pytest.fixture
def threads() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


def found_and_expected(shape, kind, count, rate, draws, outputs, own=False, lattice=False):
    """Gradients `[K, O, C, h, w]`, the second in float64."""
    channels, _, kernel, stride, padding = shape
    x, words, planes, geometry = frames(shape, kind, count * (draws if own else 1), rate)
    size = (draws, count, outputs, geometry.out_height, geometry.out_width)
    g = cases.lattice(*size) if lattice else cases.normal(*size, dtype=torch.float32)
    sums = conv_scatter(words, planes, geometry, channels, g.flatten(3).numpy())
    found = torch.from_numpy(sums).unflatten(2, kernel).permute(0, 1, 4, 2, 3)
    of_x = torch.from_numpy(x).double().unflatten(0, (-1, count))
    expected = [
        torch.nn.grad.conv2d_weight(
            of_x[k if own else 0], (outputs, channels, *kernel), g[k].double(), stride, padding
        )
        for k in range(draws)
    ]
    return found.double(), torch.stack(expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("kind", "rate"), list(product(KINDS, (0.0, 0.2, 1.0))))
@pytest.mark.parametrize("outputs", [3, 64, 69])
def test_it_is_the_gradient(shape, kind: str, rate: float, outputs: int) -> None:
    found, expected = found_and_expected(shape, kind, 3, rate, 2, outputs)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_draws_with_spikes_of_their_own(kind: str) -> None:
    found, expected = found_and_expected(SHAPES[1], kind, 5, 0.2, 3, 69, own=True)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [SHAPES[2], SHAPES[3]])
def test_groups_of_frames_add_up(shape, kind: str) -> None:
    # Multiples of 1/16 below 2^20: exact, whatever the order.
    found, expected = found_and_expected(shape, kind, 45, 0.2, 1, 80, lattice=True)
    assert torch.equal(found, expected)


def test_no_frame_gives_zeros() -> None:
    found, _ = found_and_expected(SHAPES[0], "spikes", 1, 0.2, 1, 64)
    _, words, planes, geometry = frames(SHAPES[0], "spikes", 1, 0.2)
    none = conv_scatter(words[:0], planes, geometry, 2, np.empty((1, 0, 64, 30), np.float32))
    assert none.shape == (1, 64, 9, 2)
    assert not none.any()
    assert found.any()


def test_a_silent_frame_is_not_read() -> None:
    _, words, planes, geometry = frames(SHAPES[0], "spikes", 2, 0.3)
    words[1] = 0
    g = cases.normal(1, 2, 64, geometry.positions, dtype=torch.float32).numpy()
    right = conv_scatter(words, planes, geometry, 2, g)
    g[:, 1] = np.nan
    assert np.array_equal(conv_scatter(words, planes, geometry, 2, g), right)


@pytest.mark.parametrize("stride", [1, 2])
def test_threads_change_nothing(stride: int, threads) -> None:
    shape = (5, (8, 8), (3, 3), stride, 1)
    found = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append(found_and_expected(shape, "quarters", 100, 0.2, 1, 70)[0])
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
