"""Accuracy, NLL and Brier against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss

from bayesnn_spike.calibration import (
    accuracy,
    brier,
    example_brier,
    example_correct,
    example_nll,
    nll,
)
from bayesnn_spike.calibration.proper import FLOOR
from tests.calibration.cases import random_case

LABELS = np.array([0, 1, 1])
PROBS = np.array([[0.8, 0.2], [0.4, 0.6], [0.9, 0.1]])


def test_by_hand():
    assert accuracy(PROBS, LABELS).value == pytest.approx(2 / 3)
    assert nll(PROBS, LABELS).value == pytest.approx(-np.log([0.8, 0.6, 0.1]).mean())
    assert brier(PROBS, LABELS).value == pytest.approx((0.08 + 0.32 + 1.62) / 3)


def test_against_scikit_learn():
    probs, labels = random_case(seed=3)
    classes = np.arange(probs.shape[1])
    np.testing.assert_allclose(nll(probs, labels).value, log_loss(labels, probs, labels=classes))
    expected = brier_score_loss(labels, probs, labels=classes, scale_by_half=False)
    np.testing.assert_allclose(brier(probs, labels).value, expected)
    assert accuracy(probs, labels).value == accuracy_score(labels, probs.argmax(axis=1))


def test_k_identical_members_have_the_nll_of_one():
    probs, labels = random_case(seed=4)
    committee = np.repeat(probs[None], 8, axis=0).mean(axis=0)
    np.testing.assert_allclose(nll(committee, labels).value, nll(probs, labels).value, rtol=1e-12)


def test_the_mean_is_over_examples_not_over_batches():
    probs, labels = random_case(10)
    batches = [example_nll(probs[a:b], labels[a:b]) for a, b in [(0, 7), (7, 10)]]
    np.testing.assert_allclose(nll(probs, labels).value, np.concatenate(batches).mean())


def test_a_certain_error_costs_the_floor_and_is_counted():
    score = nll(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([1, 0]))
    assert score.value == pytest.approx((-np.log(FLOOR) + np.log(2)) / 2)
    assert "floored at 2.2e-16 (1 of 2 examples)" in score.definition
    assert nll(np.array([[1.0, 0.0]]), np.array([1]), floor=0.5).value == pytest.approx(np.log(2))


@pytest.mark.parametrize("floor", [0.0, 1.0, -1.0, float("nan")])
def test_a_senseless_floor_is_refused(floor):
    with pytest.raises(ValueError, match="floor must lie strictly between 0 and 1"):
        nll(PROBS, LABELS, floor=floor)


@pytest.mark.parametrize("terms", [example_correct, example_nll, example_brier])
def test_seeds_are_a_leading_axis(terms):
    probs, labels = random_case(30)
    other, _ = random_case(30, seed=1)
    both = terms(np.stack([probs, other]), labels)
    np.testing.assert_array_equal(both, np.stack([terms(probs, labels), terms(other, labels)]))


def test_the_worst_and_the_best_brier_score():
    certain = np.array([[1.0, 0.0]])
    assert brier(certain, np.array([0])).value == 0
    assert brier(certain, np.array([1])).value == 2
