"""Pooling and spread, by hand."""

import numpy as np
import pytest

from bayesnn_spike.study.record import Scored
from bayesnn_spike.study.scores import pool, score, spread


def part(indices: list[int]) -> tuple[Scored, np.ndarray]:
    """Examples whose label is the index's parity and whose probability says which they are."""
    rows = np.array(indices)
    probs = np.stack([rows / 100, 1 - rows / 100], axis=1)
    return Scored(rows, rows % 2, {}), probs


def test_folds_are_pooled_in_the_order_of_the_examples() -> None:
    tests, probs = zip(*(part(rows) for rows in ([7, 2], [11, 4, 5])), strict=True)
    pooled, labels = pool(tests, probs)
    np.testing.assert_allclose(pooled[:, 0], np.array([2, 4, 5, 7, 11]) / 100)
    np.testing.assert_array_equal(labels, [0, 0, 1, 1, 1])


def test_an_example_in_two_folds_is_refused() -> None:
    tests, probs = zip(*(part(rows) for rows in ([1, 2], [2, 3])), strict=True)
    with pytest.raises(ValueError, match="more than one prediction"):
        pool(tests, probs)


def test_spread_has_the_sample_deviation() -> None:
    assert spread([1, 2, 6]) == {"mean": 3.0, "std": pytest.approx(7**0.5), "values": [1, 2, 6]}
    assert spread([4.0]) == {"mean": 4.0, "std": None, "values": [4.0]}


def test_scores_by_hand() -> None:
    probs = np.array([[[0.9, 0.1], [0.4, 0.6]], [[0.2, 0.8], [0.5, 0.5]]])
    found = score(probs, np.array([0, 0]))
    assert found["accuracy"]["values"] == [0.5, 0.5]
    nlls = [-np.log([0.9, 0.4]).mean(), -np.log([0.2, 0.5]).mean()]
    assert found["nll"]["values"] == pytest.approx(nlls)
    briers = [(0.02 + 0.72) / 2, (1.28 + 0.5) / 2]
    assert found["brier"]["values"] == pytest.approx(briers)
    assert found["ece"]["values"] == pytest.approx([(0.1 + 0.6) / 2, (0.8 + 0.5) / 2])
