"""ops/synapse/events: words and lists against numpy's nonzero."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from bayesnn_spike.ops.synapse.events import by_input, by_row, pack_rows, unpack_rows

SHAPES = [(1, 1, 1), (1, 70, 63), (2, 65, 64), (3, 130, 200), (1, 0, 40), (2, 5, 129)]


@pytest.fixture
def threads() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


def spikes(shape: tuple[int, ...], rate: float, binary: bool = True) -> np.ndarray:
    rng = np.random.Generator(np.random.Philox(key=7))
    x = (rng.random(shape) < rate).astype(np.float32)
    return x if binary else x * rng.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_words_and_lists_are_numpys_nonzero(shape, rate) -> None:
    x = spikes(shape, rate)
    flat = x.reshape(-1, shape[2])
    words, counts, binary = pack_rows(flat)
    assert binary
    assert np.array_equal(counts, (flat != 0).sum(1))
    assert np.array_equal(unpack_rows(words, shape[2]), flat)
    rows = by_row(words, counts, x)
    r, n = np.nonzero(flat)
    assert np.array_equal(rows.places, n)
    assert np.array_equal(np.diff(rows.starts), (flat != 0).sum(1))
    inputs = by_input(words.reshape(*shape[:2], words.shape[1]), shape[2], x)
    _, _, r = np.nonzero(x.transpose(0, 2, 1))
    assert np.array_equal(inputs.places, r)
    assert np.array_equal(np.diff(inputs.starts), (x != 0).sum(1).reshape(-1))


@pytest.mark.parametrize("shape", SHAPES)
def test_values_come_along_in_the_order_of_the_lists(shape) -> None:
    x = spikes(shape, 0.3, binary=False)
    words, counts, _ = pack_rows(x.reshape(-1, shape[2]))
    assert np.array_equal(by_row(words, counts, x).values, x[x != 0])
    turned = x.transpose(0, 2, 1)
    lists = by_input(words.reshape(*shape[:2], words.shape[1]), shape[2], x)
    assert np.array_equal(lists.values, turned[turned != 0])
    assert by_row(words, counts, None).values.size == 0


@pytest.mark.parametrize("place", [0, 17, 63, 64, 69])
@pytest.mark.parametrize("value", [-1.0, 0.5, 2.0, np.nan, np.inf])
def test_one_number_that_is_no_spike_is_found_wherever_it_stands(place, value) -> None:
    x = spikes((3, 70), 0.2)
    x[1, place] = value
    words, _, binary = pack_rows(x)
    assert not binary
    assert (words[1, place // 64] >> np.uint64(place % 64)) & np.uint64(1)


def test_threads_change_nothing(threads) -> None:
    x = spikes((2, 700, 300), 0.1, binary=False)
    found = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        words, counts, _ = pack_rows(x.reshape(-1, 300))
        found.append(
            (words, *by_row(words, counts, x), *by_input(words.reshape(2, 700, -1), 300, x))
        )
    for other in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(found[0], other, strict=True))
