"""ops/synapse/tables: cotangents times signs against float64, for every use of K."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from bayesnn_spike.ops.synapse.straight_cpu import signs_by_input
from bayesnn_spike.ops.synapse.tables import multiply
from tests.ops.test_synapse_gather import numbers

SIZES = [(1, 1, 32, 1), (1, 17, 33, 50), (3, 40, 64, 130), (2, 16, 200, 64), (1, 0, 32, 8)]


@pytest.fixture
def threads() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


def signs(*shape: int) -> np.ndarray:
    return np.where(numbers(*shape, key=4) >= 0, 1, -1).astype(np.float32)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(("draws", "rows", "outputs", "inputs"), [*SIZES, (1, 33, 600, 70)])
def test_it_is_the_product(draws, rows, outputs, inputs, shared) -> None:
    weight, grad = signs(draws, outputs, inputs), numbers(draws, rows, outputs, key=3)
    found = multiply(signs_by_input(weight), grad, 1 if shared else draws, scale=0.5)
    expected = 0.5 * (grad.astype(np.float64) @ weight)
    expected = expected.sum(0, keepdims=True) if shared else expected
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


def test_whole_numbers_are_exact() -> None:
    weight, grad = signs(2, 100, 70), np.rint(4 * numbers(2, 50, 100, key=3))
    found = multiply(signs_by_input(weight), grad, 2)
    assert np.array_equal(found, grad.astype(np.float64) @ weight)


def test_threads_change_nothing(threads) -> None:
    weight, grad = signs_by_input(signs(2, 100, 70)), numbers(2, 300, 100, key=3)
    found = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append(multiply(weight, grad, 2))
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
