"""posterior/flat: rows and weights are the same numbers."""

import pytest
import torch

from bayesnn_spike.posterior.flat import flatten, shapes_of, size_of, unflatten
from bayesnn_spike.weights import SignTensor
from tests.ops import cases

SHAPES = {"b": (2, 3), "a": (1,), "c": (2, 1, 2)}


def test_rows_become_weights_and_rows_again() -> None:
    rows = cases.normal(5, 11)
    weights = unflatten(rows, SHAPES)
    assert {n: tuple(w.shape) for n, w in weights.items()} == {
        n: (5, *shape) for n, shape in SHAPES.items()
    }
    assert torch.equal(weights["b"][1].flatten(), rows[1, :6])
    assert torch.equal(flatten(weights), rows)
    assert shapes_of({n: w[0] for n, w in weights.items()}) == SHAPES
    assert size_of(SHAPES) == 11


def test_packed_signs_become_numbers() -> None:
    signs = cases.normal(4, 3, 2).sign()
    assert torch.equal(flatten({"w": SignTensor.of(signs)}), signs.flatten(1))


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"rows must have shape \(5, 11\), got \(5, 10\)"):
        unflatten(torch.zeros(5, 10), SHAPES)
