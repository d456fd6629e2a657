"""ops/synapse/maps: windows and their ways back, against torch's unfold and fold."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bayesnn_spike.ops.synapse.lists import Geometry
from bayesnn_spike.ops.synapse.maps import fold, pack_maps, to_maps, to_rows, windows
from bayesnn_spike.ops.synapse.shapes import map_after
from tests.ops import cases, packed

# Channels, map, kernel, stride and padding of each.
SHAPES = [
    (1, (1, 1), (1, 1), (1, 1), (0, 0)),
    (2, (5, 7), (3, 3), (1, 1), (1, 1)),
    (3, (4, 9), (2, 3), (2, 1), (0, 2)),
    (64, (5, 5), (3, 3), (1, 1), (1, 1)),
    (70, (3, 4), (3, 1), (1, 2), (2, 0)),
    (130, (4, 4), (2, 2), (3, 3), (1, 1)),
]


def geometry_of(size, kernel, stride, padding) -> Geometry:
    return Geometry(*size, *kernel, *stride, *padding, *map_after(size, kernel, stride, padding))


def unfolded(x: torch.Tensor, kernel, stride, padding) -> torch.Tensor:
    """Windows `[F, P', taps C]` in the order (tap, channel)."""
    found = F.unfold(x, kernel, stride=stride, padding=padding)
    return found.unflatten(1, (x.shape[1], -1)).permute(0, 3, 2, 1).flatten(2)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 17), (2, 64, 16), (2, 65, 40), (2, 130, 31)])
def test_channels_are_packed_place_by_place(shape) -> None:
    x = cases.spikes(*shape)
    words, active, binary = pack_maps(x.numpy())
    expected = packed.pack((x.movedim(1, 2) != 0).numpy().reshape(-1, shape[1]))
    assert np.array_equal(words.reshape(-1, words.shape[2]), expected.reshape(-1, words.shape[2]))
    assert (active, binary) == (int(x.sum()), True)


@pytest.mark.parametrize("value", [2.0, 0.5, -1.0, float("nan")])
@pytest.mark.parametrize("place", [0, 16])
def test_what_is_neither_0_nor_1_is_seen(value: float, place: int) -> None:
    x = torch.zeros(2, 3, 17)
    x[1, 2, place] = value
    words, active, binary = pack_maps(x.numpy())
    assert (active, binary) == (1, False)
    assert words[1, place, 0] == 4


@pytest.mark.parametrize("shape", SHAPES)
def test_windows_are_those_of_torch(shape) -> None:
    channels, size, kernel, stride, padding = shape
    x = cases.spikes(3, channels, *size)
    words, _, _ = pack_maps(x.flatten(2).numpy())
    expected = packed.pack((unfolded(x, kernel, stride, padding) != 0).numpy())
    found = np.full_like(expected, 7)
    windows(words, geometry_of(size, kernel, stride, padding), channels, found, 1, 3)
    assert np.array_equal(found[1:], expected[1:])
    assert (found[0] == 7).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_fold_is_that_of_torch(shape) -> None:
    channels, size, kernel, stride, padding = shape
    geometry = geometry_of(size, kernel, stride, padding)
    rows = cases.lattice(3, geometry.positions, geometry.taps * channels)
    out = np.empty((3, channels, size[0] * size[1]), np.float32)
    fold(rows.numpy(), geometry, out, 0, 3)
    x = torch.zeros(3, channels, *size, requires_grad=True)
    (expected,) = torch.autograd.grad(unfolded(x, kernel, stride, padding), x, rows)
    assert np.array_equal(out, expected.flatten(2).numpy())


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 8, 16), (3, 9, 33), (2, 40, 7)])
def test_rows_and_maps_are_each_other_turned(shape) -> None:
    maps, offset = cases.lattice(*shape), cases.lattice(shape[1], seed=1)
    rows, out = np.empty((shape[0], shape[2], shape[1]), np.float32), np.empty(shape, np.float32)
    to_rows(maps.numpy(), rows, 0, shape[0])
    assert np.array_equal(rows, maps.movedim(1, 2).numpy())
    to_maps(rows, offset.numpy(), np.float32(0.25), out, 0, shape[0])
    assert np.array_equal(out, ((maps + offset[:, None]) * 0.25).numpy())
