"""Pooling of cross-validation predictions."""

import numpy as np
import pytest
import torch

from bayesnn_spike.calibration import pool_folds
from tests.calibration.cases import random_case

PROBS, _ = random_case(6)


def test_predictions_return_to_the_order_of_the_examples():
    parts = [(np.array([4, 0]), PROBS[[4, 0]]), (torch.tensor([1, 2, 5, 3]), PROBS[[1, 2, 5, 3]])]
    np.testing.assert_array_equal(pool_folds(parts), PROBS)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "at least one fold"),
        ([([0, 1], [0, 1]), ([1, 2], [1, 2])], "1 examples have more than one prediction, .* 1"),
        ([([0, 1], [0, 1]), ([3], [3])], "example 2 has no prediction"),
        ([([0, 1], [0])], r"fold 0 has indices of shape \(2,\) for 1 predictions"),
    ],
)
def test_a_cover_that_is_none_is_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        pool_folds((np.array(rows), PROBS[at]) for rows, at in parts)


def test_folds_of_different_classes_are_refused():
    other, _ = random_case(1, classes=3)
    with pytest.raises(ValueError, match=r"numbers of classes: \[3, 5\]"):
        pool_folds([(np.array([0]), PROBS[:1]), (np.array([1]), other)])
