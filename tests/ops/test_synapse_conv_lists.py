"""ops/synapse/conv_lists: lists of a frame by place and by output position, against numpy."""

import numpy as np
import pytest

from bayesnn_spike.ops.synapse.conv_lists import (
    LANES,
    QUARTERS,
    join,
    list_frame,
    places_seen,
    room,
    rows_seeing,
    values_of_quarters,
)
from bayesnn_spike.ops.synapse.lists import SLACK
from tests.ops.conv_pairs import SHAPES, frames

KINDS = ("spikes", "quarters")


def listed(shape, kind: str, rate: float):
    """A frame `[C, H, W]`, its geometry, and its lists: starts and entries."""
    x, words, planes, geometry = frames(shape, kind, 3, rate)
    starts = np.empty(words.shape[1] + 1, np.int32)
    entries = np.empty(room(geometry, shape[0], 1), np.int32)
    count = list_frame(words, 1, planes, starts, 0, entries, 0)
    return x[1], geometry, starts, entries[:count]


def named(active: np.ndarray, values: np.ndarray, kind: str) -> np.ndarray:
    """Entries of some inputs."""
    return LANES * active + (4 * values if kind == "quarters" else 0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [0.0, 0.2, 1.0])
def test_every_place_has_its_active_channels(shape, kind: str, rate: float) -> None:
    frame, _, starts, entries = listed(shape, kind, rate)
    flat = frame.reshape(shape[0], -1)
    assert starts[-1] == np.count_nonzero(flat)
    for p in range(flat.shape[1]):
        (active,) = np.nonzero(flat[:, p])
        found = entries[starts[p] : starts[p + 1]]
        assert np.array_equal(found, named(active, flat[active, p], kind))
        if kind == "quarters":
            assert np.array_equal(values_of_quarters()[found & QUARTERS], flat[active, p])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_an_output_position_joins_what_it_sees(shape, kind: str) -> None:
    frame, geometry, starts, entries = listed(shape, kind, 0.3)
    channels, _, (high, wide), _, _ = shape
    py, px = geometry.pad_y, geometry.pad_x
    around = np.pad(frame, ((0, 0), (py, py), (px, px)))
    seen, found = places_seen(geometry, channels)
    wider = np.concatenate([entries, np.zeros(SLACK, np.int32)])
    for p in range(geometry.positions):
        y = p // geometry.out_width * geometry.stride_y
        x = p % geometry.out_width * geometry.stride_x
        row = around[:, y : y + high, x : x + wide].transpose(1, 2, 0).reshape(-1)
        (active,) = np.nonzero(row)
        out = np.empty(row.size + SLACK + 1, np.int32)
        at = join(starts, 0, wider, seen[p], found[p], out, 1)
        assert np.array_equal(out[1:at], named(active, row[active], kind))


@pytest.mark.parametrize("kind", KINDS)
def test_frames_lie_one_behind_the_other(kind: str) -> None:
    _, words, planes, geometry = frames(SHAPES[1], kind, 3, 0.3)
    inputs, at = words.shape[1], 0
    starts = np.empty(3 * inputs + 1, np.int32)
    entries = np.empty(room(geometry, SHAPES[1][0], 3), np.int32)
    for f in range(3):
        before, at = at, list_frame(words, f, planes, starts, f * inputs, entries, at)
        one, alone = np.empty(inputs + 1, np.int32), np.empty_like(entries)
        count = list_frame(words, f, planes, one, 0, alone, 0)
        assert at - before == count
        assert np.array_equal(starts[f * inputs : (f + 1) * inputs + 1] - before, one)
        assert np.array_equal(entries[before:at], alone[:count])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [1, 3])
def test_who_sees_a_place_is_who_looks_there(shape, count: int) -> None:
    _, _, _, geometry = frames(shape, "spikes", 1, 0.1)
    seen, found = places_seen(geometry, 1)
    inputs, none = geometry.height * geometry.width, count * geometry.positions
    expected = np.full((geometry.taps, count * inputs), none)
    for f in range(count):
        for p in range(geometry.positions):
            for i in range(found[p]):
                place = f * inputs + seen[p, 2 * i]
                expected[seen[p, 2 * i + 1] // LANES, place] = f * geometry.positions + p
    assert np.array_equal(rows_seeing(geometry, count), expected)
