"""Accuracy and the two proper scores: negative log-likelihood and Brier score.

Each comes twice: per example (`[*S, N] -> [*S, N]`, what the bootstrap takes) and as the mean
over examples. The mean runs over examples directly, never over means of batches.

Oracle: tests/calibration/test_proper.py (scikit-learn's log_loss, brier_score_loss and
accuracy_score; K identical members give the NLL of one).
"""

import numpy as np

from bayesnn_spike.calibration.inputs import Array, as_labels, as_numpy, as_probabilities, checked
from bayesnn_spike.calibration.score import Score

FLOOR = float(np.finfo(np.float64).eps)
"""Smallest probability inside a logarithm, 2.2e-16: a certain error costs 36.04 nats.

It is the value of scikit-learn's `log_loss` in float64. Votes and saturated softmax give exact
zeros; without a floor one such error makes the mean infinite and hides all other examples.
"""


def example_correct(probs: Array, labels: Array) -> np.ndarray:
    """Return 1.0 where the most probable class is the label, else 0.0.

    Args:
        probs: `[*S, N, C]` probabilities.
        labels: `[N]` class indices.

    Returns:
        `[*S, N]` float64. Among equal probabilities the lowest class index is predicted.
    """
    values, targets = _any_seeds(probs, labels)
    return (values.argmax(axis=-1) == targets).astype(np.float64)


def example_nll(probs: Array, labels: Array, *, floor: float = FLOOR) -> np.ndarray:
    """Return -ln p(label) of each example in nats, `[*S, N, C] -> [*S, N]`.

    Raises:
        ValueError: the floor is not in (0, 1).
    """
    _require_floor(floor)
    values, targets = _any_seeds(probs, labels)
    return -np.log(np.maximum(_of_label(values, targets), floor))


def example_brier(probs: Array, labels: Array) -> np.ndarray:
    """Return sum_c (p_c - [c = label])^2 of each example, in [0, 2], `[*S, N, C] -> [*S, N]`."""
    values, targets = _any_seeds(probs, labels)
    return (values**2).sum(axis=-1) - 2 * _of_label(values, targets) + 1


def accuracy(probs: Array, labels: Array) -> Score:
    """Return the share of examples whose most probable class is the label.

    Args:
        probs: `[N, C]` probabilities.
        labels: `[N]` class indices.
    """
    values, targets = checked(probs, labels)
    mean = float(example_correct(values, targets).mean())
    return Score("accuracy", mean, f"share of right top labels, {len(targets)} examples")


def nll(probs: Array, labels: Array, *, floor: float = FLOOR) -> Score:
    """Return the mean negative log-likelihood of the labels in nats.

    Args:
        probs: `[N, C]` probabilities.
        labels: `[N]` class indices.
        floor: probabilities below it count as it; the definition says how many did.

    Raises:
        ValueError: the floor is not in (0, 1).
    """
    values, targets = checked(probs, labels)
    mean = float(example_nll(values, targets, floor=floor).mean())
    floored = int((_of_label(values, targets) < floor).sum())
    definition = (
        f"mean -ln p(label) in nats, p floored at {floor:.2g} "
        f"({floored} of {len(targets)} examples)"
    )
    return Score("nll", mean, definition)


def brier(probs: Array, labels: Array) -> Score:
    """Return the mean Brier score, summed over classes: 0 is best, 2 is worst.

    Args:
        probs: `[N, C]` probabilities.
        labels: `[N]` class indices.

    Source: Brier 1950, the original (summed, not halved) form.
    """
    values, targets = checked(probs, labels)
    mean = float(example_brier(values, targets).mean())
    definition = f"mean of sum over classes of (p - label)^2, range 0 to 2, {len(targets)} examples"
    return Score("brier", mean, definition)


def _of_label(values: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the probability of the label, `[*S, N]`."""
    index = np.broadcast_to(targets, values.shape[:-1])[..., None]
    return np.take_along_axis(values, index, axis=-1)[..., 0]


def _any_seeds(probs: Array, labels: Array) -> tuple[np.ndarray, np.ndarray]:
    """Check `[*S, N, C]` probabilities with any number of leading axes."""
    leading = max(as_numpy(probs, "probs").ndim - 2, 0)
    values = as_probabilities(probs, axes=("S",) * leading + ("N", "C"))
    return values, as_labels(labels, examples=values.shape[-2], classes=values.shape[-1])


def _require_floor(floor: float) -> None:
    if not 0 < floor < 1:
        raise ValueError(f"floor must lie strictly between 0 and 1, got {floor!r}")
