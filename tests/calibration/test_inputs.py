"""Every guard at the door fires, and its message says what was wrong."""

import numpy as np
import pytest
import torch

from bayesnn_spike.calibration import accuracy, ece, example_nll, nll
from bayesnn_spike.calibration.inputs import as_losses
from tests.calibration.cases import random_case

PROBS = np.array([[0.5, 0.5], [0.9, 0.1]])
LABELS = np.array([0, 1])


@pytest.mark.parametrize(
    ("probs", "labels", "message"),
    [
        (np.array([0.5, 0.5]), LABELS, r"probs must be \[N, C\], got shape \(2,\)"),
        (np.ones((2, 1)), LABELS, r"at least two classes, got shape \(2, 1\); give a binary head"),
        (np.ones((0, 2)), LABELS[:0], "at least one example"),
        (np.array([[np.nan, 1.0]]), LABELS[:1], r"not finite, first at \(0, 0\)"),
        (np.array([[2.0, -1.0]]), LABELS[:1], "found -1 to 2; if these are logits, apply softmax"),
        (np.array([[0.5, 0.4]]), LABELS[:1], r"row \(0,\) sums to 0.9"),
        (PROBS, LABELS[:1], r"N = 2 as in probs, got shape \(1,\)"),
        (PROBS, np.eye(2, dtype=int), "not one-hot rows"),
        (PROBS, np.array([0, 2]), r"\[0, 2\) for 2 classes, found 0 to 2"),
        (PROBS, np.array([-1, 0]), "found -1 to 0"),
    ],
)
def test_a_wrong_value_is_refused(probs, labels, message):
    with pytest.raises(ValueError, match=message):
        ece(probs, labels)


@pytest.mark.parametrize(
    ("probs", "labels", "message"),
    [
        (PROBS.tolist(), LABELS, "probs must be a numpy array or a torch tensor, got list"),
        (np.array([[1, 0]]), LABELS[:1], "probs must be floating-point, got int"),
        (PROBS, LABELS.astype(float), "labels must be integers, got float64"),
    ],
)
def test_a_wrong_type_is_refused(probs, labels, message):
    with pytest.raises(TypeError, match=message):
        ece(probs, labels)


def test_tensors_give_the_same_numbers_as_arrays():
    probs, labels = random_case()
    tensor = torch.tensor(probs, requires_grad=True)
    assert nll(tensor, torch.tensor(labels)).value == nll(probs, labels).value


def test_bfloat16_is_read_as_its_exact_values():
    probs = torch.tensor([[0.25, 0.75], [0.5, 0.5]], dtype=torch.bfloat16)
    np.testing.assert_array_equal(example_nll(probs, torch.tensor([0, 1])), -np.log([0.25, 0.5]))


def test_rounding_above_one_is_clipped():
    probs = np.array([[np.nextafter(np.float32(1), np.float32(2)), 0]], dtype=np.float32)
    assert ece(probs, np.array([0])).value == 0


def test_inputs_are_not_changed():
    probs, labels = random_case()
    kept = probs.copy()
    ece(probs, labels)
    np.testing.assert_array_equal(probs, kept)


def test_the_lowest_index_wins_a_tie():
    assert accuracy(np.array([[0.5, 0.5]]), np.array([0])).value == 1
    assert accuracy(np.array([[0.5, 0.5]]), np.array([1])).value == 0


@pytest.mark.parametrize("losses", [np.zeros((2, 3, 4)), np.zeros(0), np.array([np.inf])])
def test_wrong_losses_are_refused(losses):
    with pytest.raises(ValueError, match="losses"):
        as_losses(losses, "losses")
