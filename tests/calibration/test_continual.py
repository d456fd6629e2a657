"""calibration/continual: a matrix of three tasks, worked out by hand."""

import numpy as np
import pytest
import torch

from bayesnn_spike.calibration import (
    average_accuracy,
    backward_transfer,
    forgetting,
    within_classes,
)

MATRIX = np.array([[0.90, 0.10, 0.00], [0.95, 0.80, 0.20], [0.50, 0.85, 0.70]])


def test_the_scores_by_hand() -> None:
    assert float(average_accuracy(MATRIX)) == pytest.approx((0.5 + 0.85 + 0.7) / 3)
    assert float(backward_transfer(MATRIX)) == pytest.approx(((0.5 - 0.9) + (0.85 - 0.8)) / 2)
    # Task 0 was best after task 1 (0.95); task 1 was learned last but one, so 0.8 is its best.
    assert float(forgetting(MATRIX)) == pytest.approx(((0.95 - 0.5) + (0.8 - 0.85)) / 2)
    assert float(forgetting(torch.tensor(MATRIX))) == float(forgetting(MATRIX))


def test_what_never_changes_is_not_forgotten() -> None:
    same = np.tile([0.9, 0.6, 0.3], (3, 1))
    assert float(backward_transfer(same)) == float(forgetting(same)) == 0
    assert float(average_accuracy(same)) == pytest.approx(0.6)


def test_one_task_has_an_average_and_no_transfer() -> None:
    assert float(average_accuracy(np.array([[0.7]]))) == 0.7
    for score in (backward_transfer, forgetting):
        with pytest.raises(ValueError, match="at least 2 tasks, got "):
            score(np.array([[0.7]]))


@pytest.mark.parametrize("matrix", [np.ones((2, 3)), np.ones(4)])
def test_matrices_that_are_not_square_are_refused(matrix: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"must be \[T, T\]"):
        average_accuracy(matrix)
    with pytest.raises(ValueError, match="not finite"):
        average_accuracy(np.array([[float("nan")]]))


def test_a_learner_who_knows_the_task() -> None:
    probs = np.array([[0.7, 0.1, 0.2, 0.0], [0.5, 0.5, 0.0, 0.0], [0.0, 0.25, 0.25, 0.5]])
    found = within_classes(probs, (2, 3))
    expected = [[0, 0, 1, 0], [0, 0, 0.5, 0.5], [0, 0, 1 / 3, 2 / 3]]
    np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(within_classes(probs, (0, 1, 2, 3)), probs)
    for classes in ((), (4,), (-1, 2)):
        with pytest.raises(ValueError, match="are not among the 4 classes"):
            within_classes(probs, classes)
