"""ops/synapse/scatter: the weight gradient by events against float64, rows in ascending order."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from bayesnn_spike.ops.synapse.events import by_input, pack_rows
from bayesnn_spike.ops.synapse.scatter import scatter
from tests.ops.test_synapse_gather import SIZES, numbers, sparse


@pytest.fixture
def threads() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


def lists(x: np.ndarray, binary: bool):
    words, _, _ = pack_rows(x.reshape(-1, x.shape[2]))
    return by_input(words.reshape(*x.shape[:2], words.shape[1]), x.shape[2], None if binary else x)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(("draws", "rows", "outputs", "inputs"), SIZES)
def test_it_is_the_product(draws, rows, outputs, inputs, own, binary) -> None:
    x = sparse(draws if own else 1, rows, inputs, binary=binary)
    grad = numbers(draws, rows, outputs, key=3)
    found = scatter(lists(x, binary), grad, inputs, scale=0.5)
    expected = 0.5 * (grad.astype(np.float64).transpose(0, 2, 1) @ x.astype(np.float64))
    assert found.shape == (draws, outputs, inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("binary", [True, False])
def test_rows_are_added_in_ascending_order(binary) -> None:
    x, grad = sparse(1, 200, 30, binary=binary), numbers(1, 200, 40, key=3)
    found = scatter(lists(x, binary), grad, 30)
    expected = np.zeros((40, 30), np.float32)
    for r in range(200):
        for n in np.flatnonzero(x[0, r]):
            expected[:, n] += x[0, r, n] * grad[0, r]
    assert np.array_equal(found[0], expected)


def test_threads_change_nothing(threads) -> None:
    x, grad = sparse(2, 300, 200, binary=False), numbers(2, 300, 70, key=3)
    found = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append(scatter(lists(x, False), grad, 200))
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
