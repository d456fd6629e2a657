"""ops/synapse/gather: sums over active inputs against float64, in one order for any threads."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from bayesnn_spike.ops.synapse.events import by_row, pack_rows
from bayesnn_spike.ops.synapse.gather import chunks_of, gather

SIZES = [(1, 1, 1, 1), (1, 70, 33, 50), (3, 40, 64, 130), (2, 200, 7, 65), (1, 0, 32, 8)]


@pytest.fixture
def threads() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


def numbers(*shape: int, key: int) -> np.ndarray:
    return np.random.Generator(np.random.Philox(key=key)).normal(size=shape).astype(np.float32)


def sparse(*shape: int, binary: bool) -> np.ndarray:
    x = numbers(*shape, key=1)
    active = (np.abs(numbers(*shape, key=2)) < 0.15).astype(np.float32)
    return active if binary else active * x


def lists(x: np.ndarray, binary: bool):
    words, counts, _ = pack_rows(x.reshape(-1, x.shape[2]))
    return by_row(words, counts, None if binary else x)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(("draws", "rows", "outputs", "inputs"), SIZES)
def test_it_is_the_product(draws, rows, outputs, inputs, own, binary) -> None:
    x = sparse(draws if own else 1, rows, inputs, binary=binary)
    weight = numbers(draws, outputs, inputs, key=3)
    found = gather(lists(x, binary), weight, rows)
    expected = x.astype(np.float64) @ weight.astype(np.float64).transpose(0, 2, 1)
    assert found.shape == (draws, rows, outputs)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("binary", [True, False])
def test_four_inputs_at_a_time_in_ascending_order(binary) -> None:
    x = sparse(1, 20, 90, binary=binary)
    weight = numbers(1, 40, 90, key=3)
    found = gather(lists(x, binary), weight, 20)
    for r in range(20):
        active = np.flatnonzero(x[0, r])
        terms = x[0, r, active, None] * weight[0, :, active]
        total = np.zeros(40, np.float32)
        whole = len(active) // 4 * 4
        for a, b, c, d in terms[:whole].reshape(-1, 4, 40):
            total = total + ((a + b) + (c + d))
        for term in terms[whole:]:
            total = total + term
        assert np.array_equal(found[0, r], total)


def test_threads_change_nothing(threads) -> None:
    x, weight = sparse(2, 300, 90, binary=False), numbers(2, 70, 90, key=3)
    found = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append(gather(lists(x, False), weight, 300))
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_few_units_are_cut_and_many_are_not() -> None:
    assert chunks_of(1, 10_000) == 16
    assert chunks_of(16, 10_000) == 1
    assert chunks_of(1, 100) == 1
    assert chunks_of(0, 0) == 1
