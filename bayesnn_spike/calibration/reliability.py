"""The reliability table: accuracy against confidence, bin by bin.

It is the one table behind every ECE and every reliability diagram; the diagram draws the rows
that the score has summed.

Oracle: tests/calibration/test_reliability.py (scikit-learn's calibration_curve).
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from bayesnn_spike.calibration.binning import Binning, EqualWidth
from bayesnn_spike.calibration.inputs import Array, as_probabilities, checked, top_label
from bayesnn_spike.calibration.norms import Norm
from bayesnn_spike.rng import Stream

DEFAULT_BINNING = EqualWidth(bins=15)
_BLOCK_BYTES = 1 << 25


@final
@dataclass(frozen=True, eq=False)
class ReliabilityTable:
    """Counts and means of B bins; a bin without examples has NaN means.

    Attributes:
        count: `[B]` number of examples.
        confidence: `[B]` mean confidence.
        accuracy: `[B]` share of right answers.
        low, high: `[B]` range of each bin (equal mass: smallest and largest confidence in it).
        definition: what was binned, and how.
    """

    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    low: np.ndarray
    high: np.ndarray
    definition: str

    def __post_init__(self) -> None:
        for values in (self.count, self.confidence, self.accuracy, self.low, self.high):
            values.flags.writeable = False

    @property
    def examples(self) -> int:
        """Number of examples in all bins together."""
        return int(self.count.sum())

    @property
    def gap(self) -> np.ndarray:
        """`[B]` accuracy minus confidence, 0 in an empty bin; negative is overconfident."""
        return np.where(self.count > 0, self.accuracy - self.confidence, 0.0)

    def error(self, norm: Norm) -> float:
        """Return the calibration error of this table under a norm."""
        return float(norm.reduce(self.gap, self.count / self.examples))


def reliability_table(
    probs: Array, labels: Array, *, binning: Binning = DEFAULT_BINNING
) -> ReliabilityTable:
    """Bin the examples by the confidence of their top label.

    Args:
        probs: `[N, C]` probabilities.
        labels: `[N]` class indices.
        binning: the bins.
    """
    confidence, correct = top_label(*checked(probs, labels))
    return tabulate(confidence, correct, binning, "top label")


def class_reliability_table(
    probs: Array, labels: Array, class_index: int, *, binning: Binning = DEFAULT_BINNING
) -> ReliabilityTable:
    """Bin the examples by the probability of one class; the outcome is whether it is the label.

    Args:
        probs: `[N, C]` probabilities.
        labels: `[N]` class indices.
        class_index: the class.
        binning: the bins.

    Raises:
        ValueError: there is no such class.
    """
    values, targets = checked(probs, labels)
    if not 0 <= class_index < values.shape[1]:
        raise ValueError(f"class_index must lie in [0, {values.shape[1]}), got {class_index}")
    outcome = (targets == class_index).astype(np.float64)
    return tabulate(values[:, class_index], outcome, binning, f"class {class_index}")


def consistency_bars(
    probs: Array,
    *,
    stream: Stream,
    binning: Binning = DEFAULT_BINNING,
    level: float = 0.95,
    draws: int = 1000,
) -> tuple[np.ndarray, np.ndarray]:
    """Return where the accuracy of each bin would lie if the probabilities were right.

    Labels are drawn from the probabilities themselves; the forecasts stay as they are. A bin
    whose accuracy lies outside its bar deviates by more than the sampling of labels explains.

    Args:
        probs: `[N, C]` probabilities.
        stream: source of the labels.
        binning: the bins.
        level: share of the drawn accuracies inside each bar.
        draws: number of draws of all labels.

    Returns:
        (low `[B]`, high `[B]`), NaN in an empty bin.

    Source: Bröcker & Smith 2007, "Increasing the reliability of reliability diagrams".
    """
    confidence = as_probabilities(probs).max(axis=1)
    index = binning.assign(confidence)
    count = np.bincount(index, minlength=binning.bins)
    right = drawn_right(confidence, index, binning.bins, draws, stream)
    with np.errstate(invalid="ignore"):
        drawn = right / count
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(drawn, [tail, 100 - tail], axis=0)
    return low, high


def tabulate(
    confidence: np.ndarray, outcome: np.ndarray, binning: Binning, what: str
) -> ReliabilityTable:
    """Build the table of confidences `[N]` against outcomes `[N]` of 0 and 1."""
    index = binning.assign(confidence)
    count = np.bincount(index, minlength=binning.bins)
    with np.errstate(invalid="ignore"):
        mean_confidence = np.bincount(index, confidence, minlength=binning.bins) / count
        mean_outcome = np.bincount(index, outcome, minlength=binning.bins) / count
    low, high = binning.ranges(confidence)
    definition = f"{what}, {binning.definition}"
    return ReliabilityTable(count, mean_confidence, mean_outcome, low, high, definition)


def drawn_right(
    confidence: np.ndarray, index: np.ndarray, bins: int, draws: int, stream: Stream
) -> np.ndarray:
    """Return the number of right answers per bin `[draws, B]` if the confidences were true.

    A label drawn from the probabilities is the top label with probability `confidence`, so one
    uniform number an example is enough.
    """
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws!r}")
    members = (index[:, None] == np.arange(bins)).astype(np.float64)
    generator = stream.numpy()
    rows = max(1, _BLOCK_BYTES // (8 * len(confidence)))
    blocks = []
    for start in range(0, draws, rows):
        uniform = generator.random((min(rows, draws - start), len(confidence)))
        blocks.append((uniform < confidence).astype(np.float64) @ members)
    return np.concatenate(blocks)
