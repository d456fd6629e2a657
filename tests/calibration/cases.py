"""Predictions shared by the calibration tests."""

import numpy as np

from bayesnn_spike.rng import Stream

# Three bins of width 1/3, top labels only; confidences chosen inside the bins of class 0 of 4.
#   bin 1 [1/3, 2/3): confidences .4 .6, one right      accuracy .5, confidence .5
#   bin 2 [2/3, 1]:   confidences .7 .8 .9 1, one right accuracy .25, confidence .85
THREE_BIN_CONFIDENCE = np.array([0.4, 0.6, 0.7, 0.8, 0.9, 1.0])
THREE_BIN_RIGHT = np.array([1, 0, 0, 1, 0, 0])


def from_confidence(confidence: np.ndarray, right: np.ndarray, classes: int = 4):
    """Return (probs, labels) whose top label is 0 with these confidences and outcomes."""
    rest = (1 - confidence)[:, None] / (classes - 1)
    probs = np.concatenate([confidence[:, None], np.repeat(rest, classes - 1, axis=1)], axis=1)
    return probs, np.where(right == 1, 0, 1)


def three_bins():
    return from_confidence(THREE_BIN_CONFIDENCE, THREE_BIN_RIGHT)


def random_case(examples: int = 400, classes: int = 5, *, seed: int = 0, sharpness: float = 1.0):
    """Return (probs, labels): labels drawn from probabilities, which are then sharpened."""
    generator = Stream(seed).child("case").numpy()
    true = generator.dirichlet(np.full(classes, 0.5), examples)
    labels = (true.cumsum(axis=1) < generator.random((examples, 1))).sum(axis=1)
    probs = np.maximum(true, 1e-12) ** sharpness
    return probs / probs.sum(axis=1, keepdims=True), np.minimum(labels, classes - 1)
