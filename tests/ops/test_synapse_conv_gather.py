"""ops/synapse/conv_gather: convolutions over events against float64, in one order always."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bayesnn_spike.ops.synapse import conv_gather
from tests.ops import cases
from tests.ops.conv_pairs import SHAPES, frames

KINDS = ("spikes", "quarters")


@pytest.fixture
def threads() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


def convolved(words, planes, geometry, channels, weight, count):
    """Maps `[K, F, O, P']` of kernels `[K, O, C, h, w]`."""
    out = np.full((len(weight), count, weight.shape[1], geometry.positions), np.nan, np.float32)
    blocks = conv_gather.in_blocks(weight)
    conv_gather.conv_gather(words, planes, geometry, channels, blocks, out)
    return torch.from_numpy(out)


@pytest.mark.parametrize("outputs", [1, 16, 23, 64, 69, 150])
def test_blocks_hold_the_weights_and_zeros(outputs: int) -> None:
    weight = cases.normal(2, outputs, 5, 2, 3, dtype=torch.float32)
    rows = weight.permute(0, 1, 3, 4, 2).flatten(2)
    found = torch.from_numpy(conv_gather.in_blocks(weight))
    assert found.shape == (2, -(-outputs // 64), 30, 64)
    back = found.transpose(1, 2).flatten(2).mT
    assert torch.equal(back[:, :outputs], rows)
    assert not back[:, outputs:].any()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("kind", "rate"), list(product(KINDS, (0.0, 0.2, 1.0))))
@pytest.mark.parametrize("outputs", [3, 64, 69])
def test_it_is_the_convolution(shape, kind: str, rate: float, outputs: int) -> None:
    channels, _, kernel, stride, padding = shape
    x, words, planes, geometry = frames(shape, kind, 3, rate)
    weight = cases.normal(2, outputs, channels, *kernel, dtype=torch.float32)
    found = convolved(words, planes, geometry, channels, weight, 3)
    for k in range(2):
        maps = F.conv2d(
            torch.from_numpy(x).double(), weight[k].double(), stride=stride, padding=padding
        )
        torch.testing.assert_close(found[k].double(), maps.flatten(2), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_draws_with_spikes_of_their_own(kind: str) -> None:
    shape = SHAPES[0]
    x, words, planes, geometry = frames(shape, kind, 6, 0.2)
    weight = cases.normal(2, 69, shape[0], *shape[2], dtype=torch.float32)
    found = convolved(words, planes, geometry, shape[0], weight, 3)
    for k in range(2):
        maps = F.conv2d(torch.from_numpy(x[3 * k : 3 * k + 3]), weight[k], padding=1)
        torch.testing.assert_close(found[k], maps.flatten(2), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_integers_are_exact(kind: str) -> None:
    shape = SHAPES[3]
    x, words, planes, geometry = frames(shape, kind, 2, 0.5)
    weight = cases.signs(1, 80, shape[0], *shape[2])
    found = convolved(words, planes, geometry, shape[0], weight, 2)
    expected = F.conv2d(torch.from_numpy(x).double(), weight[0].double(), padding=1)
    assert torch.equal(found[0].double(), expected.flatten(2))


@pytest.mark.parametrize("group", [(8, 4096), (128, 1), (16, 40)])
def test_groups_of_positions_change_nothing(group: tuple[int, int], monkeypatch) -> None:
    shape = (5, (9, 13), (3, 3), 1, 1)
    _, words, planes, geometry = frames(shape, "quarters", 2, 0.3)
    weight = cases.normal(1, 69, 5, 3, 3, dtype=torch.float32)
    whole = convolved(words, planes, geometry, 5, weight, 2)
    monkeypatch.setattr(conv_gather, "_GROUP", group)
    assert torch.equal(convolved(words, planes, geometry, 5, weight, 2), whole)


def test_what_is_silent_is_not_read() -> None:
    shape = SHAPES[0]
    _, words, planes, geometry = frames(shape, "spikes", 1, 0.2)
    words[:] &= np.uint64(1)  # channel 1 is silent
    weight = cases.normal(1, 64, 2, 3, 3, dtype=torch.float32)
    right = convolved(words, planes, geometry, 2, weight, 1)
    weight[:, :, 1] = torch.nan
    assert torch.equal(convolved(words, planes, geometry, 2, weight, 1), right)


def test_threads_change_nothing(threads) -> None:
    shape = (5, (8, 8), (3, 3), 1, 1)
    _, words, planes, geometry = frames(shape, "quarters", 40, 0.2)
    weight = cases.normal(2, 70, 5, 3, 3, dtype=torch.float32)
    found = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append(convolved(words, planes, geometry, 5, weight, 40))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
