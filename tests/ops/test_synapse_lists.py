"""ops/synapse/lists: which rows of signs an output position adds, against loops over pixels."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from bayesnn_spike.ops._threads import parallel
from bayesnn_spike.ops.synapse.lists import Geometry, bound_entries, list_examples
from bayesnn_spike.ops.synapse.shapes import map_after
from tests.ops import cases, packed

SIZE = 4

# Map, kernel, stride, padding.
CONVOLUTIONS = [
    ((1, 1), (1, 1), (1, 1), (0, 0)),
    ((5, 4), (3, 3), (1, 1), (0, 0)),
    ((5, 4), (3, 3), (1, 1), (1, 1)),
    ((6, 5), (2, 3), (2, 1), (0, 2)),
    ((4, 7), (4, 1), (3, 2), (2, 0)),
    ((3, 3), (3, 3), (1, 1), (0, 0)),
    ((2, 2), (5, 5), (2, 2), (3, 3)),
]


@pytest.fixture
def threads() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


def listed(x: Tensor, geometry: Geometry) -> tuple[list, np.ndarray]:
    """What the kernels list for spikes `[T, B, C, H, W]`: entries `[b][p][t]`, and events."""
    steps, batch, channels = x.shape[:3]
    words = packed.pack(x.permute(1, 3, 4, 0, 2).numpy() != 0)  # [B, H, W, T, words]
    words = np.ascontiguousarray(words.reshape(1, batch, -1, steps, words.shape[-1]))
    totals = np.empty(batch, np.int64)
    parallel(lambda i, j: bound_entries(words, geometry, totals, i, j), batch)
    offsets = np.concatenate([[0], np.cumsum(totals)])
    lists = np.full(offsets[-1], -1, np.int32)
    events = np.full((batch, geometry.positions, steps), -1, np.int32)
    inputs = channels * geometry.taps
    parallel(
        lambda i, j: list_examples(
            words, geometry, inputs, channels, SIZE, offsets, events, lists, i, j
        ),
        batch,
    )
    entries = []
    for b in range(batch):
        at, places = offsets[b], []
        for p in range(geometry.positions):
            found = []
            for t in range(steps):
                stop = at + -(-events[b, p, t] // 8) * 8
                found.append(lists[at:stop].tolist())
                at = stop
            places.append(found)
        assert at <= offsets[b + 1]
        entries.append(places)
    return entries, events


def expected(x: Tensor, geometry: Geometry, b: int, p: int, t: int) -> list[int]:
    """Rows of active inputs: tap after tap, channels in order."""
    top = p // geometry.out_width * geometry.stride_y - geometry.pad_y
    left = p % geometry.out_width * geometry.stride_x - geometry.pad_x
    rows = []
    taps = product(range(geometry.kernel_height), range(geometry.kernel_width))
    for tap, (dy, dx) in enumerate(taps):
        y, x_ = top + dy, left + dx
        if 0 <= y < geometry.height and 0 <= x_ < geometry.width:
            rows += [len(x[t, b]) * tap + c for c in x[t, b, :, y, x_].nonzero()[:, 0].tolist()]
    return rows


def check(x: Tensor, geometry: Geometry) -> None:
    entries, events = listed(x, geometry)
    zero_row = x.shape[2] * geometry.taps
    for b in range(x.shape[1]):
        for p in range(geometry.positions):
            for t in range(len(x)):
                rows = expected(x, geometry, b, p, t)
                assert events[b, p, t] == len(rows)
                filled = rows + [zero_row] * (-len(rows) % 8)
                assert entries[b][p][t] == [SIZE * row for row in filled]


@pytest.mark.parametrize("count", packed.COUNTS)
@pytest.mark.parametrize("rate", [0.0, 0.05, 0.5, 1.0])
def test_a_vector_lists_its_active_inputs(count: int, rate: float) -> None:
    check(cases.spikes(3, 2, count, 1, 1, rate=rate), Geometry())


@pytest.mark.parametrize("channels", [1, 3, 65, 130])
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_a_map_lists_what_every_position_sees(case: tuple, channels: int) -> None:
    before, kernel, stride, padding = case
    after = map_after(before, kernel, stride, padding)
    geometry = Geometry(*before, *kernel, *stride, *padding, *after)
    check(cases.spikes(2, 2, channels, *before, rate=0.3), geometry)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_threads_do_not_write_into_each_other_s_lists(count: int, threads: None) -> None:
    torch.set_num_threads(count)
    geometry = Geometry(4, 4, 3, 3, 1, 1, 1, 1, 4, 4)
    check(cases.spikes(3, 11, 3, 4, 4, rate=0.4), geometry)


def test_a_fully_connected_layer_has_one_position_and_one_tap() -> None:
    assert (Geometry().positions, Geometry().taps) == (1, 1)
    geometry = Geometry(5, 6, 2, 3, 1, 1, 0, 0, 4, 4)
    assert (geometry.positions, geometry.taps) == (16, 6)
