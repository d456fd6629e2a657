"""What the Brier score is made of: reliability, resolution, uncertainty, and the binning residual.

For each class c, its probabilities p_i are put into bins b; p̄_b and ȳ_b are the means of the
probabilities and of the outcomes [label = c] in the bin, ȳ the mean outcome of all N examples.

    reliability  = sum_c sum_b n_b/N (p̄_b - ȳ_b)^2          0 is best
    resolution   = sum_c sum_b n_b/N (ȳ_b - ȳ)^2            large is best
    uncertainty  = sum_c ȳ (1 - ȳ)                          a property of the labels alone
    variance     = sum_c 1/N sum_b sum_{i in b} (p_i - p̄_b)^2
    covariance   = sum_c 2/N sum_b sum_{i in b} (p_i - p̄_b)(y_i - ȳ_b)

    Brier = reliability - resolution + uncertainty + (variance - covariance)     exactly

Murphy's three terms alone are exact only where all probabilities of a bin are equal; the last
bracket is the residual of binning, and it is given, never dropped.

Source: Murphy 1973; Stephenson, Coelho & Jolliffe 2008 (the two within-bin terms).
Oracle: tests/calibration/test_decomposition.py (the identity holds to 1e-12).
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from bayesnn_spike.calibration.binning import Binning
from bayesnn_spike.calibration.inputs import Array, checked
from bayesnn_spike.calibration.proper import example_brier
from bayesnn_spike.calibration.reliability import DEFAULT_BINNING


@final
@dataclass(frozen=True)
class BrierParts:
    """The parts of a Brier score (summed over classes) and the score itself.

    Attributes:
        brier: the Brier score of the probabilities as they are, unbinned.
        reliability, resolution, uncertainty: Murphy's terms.
        within_bin_variance, within_bin_covariance: the terms of the binning residual.
        definition: the bins.
    """

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bin_variance: float
    within_bin_covariance: float
    definition: str

    @property
    def residual(self) -> float:
        """What binning leaves over: within-bin variance minus within-bin covariance."""
        return self.within_bin_variance - self.within_bin_covariance


def brier_decomposition(
    probs: Array, labels: Array, *, binning: Binning = DEFAULT_BINNING
) -> BrierParts:
    """Split the Brier score of every class's probability and sum over classes.

    Args:
        probs: `[N, C]` probabilities.
        labels: `[N]` class indices.
        binning: the bins, applied to each class by itself.
    """
    values, targets = checked(probs, labels)
    parts = np.sum(
        [
            _of_class(values[:, c], (targets == c).astype(np.float64), binning)
            for c in range(values.shape[1])
        ],
        axis=0,
    )
    total = float(example_brier(values, targets).mean())
    definition = f"summed over classes, {binning.definition}, {len(targets)} examples"
    return BrierParts(total, *(float(part) for part in parts), definition)


def _of_class(p: np.ndarray, y: np.ndarray, binning: Binning) -> np.ndarray:
    """Return (reliability, resolution, uncertainty, variance, covariance) of one class."""
    index = binning.assign(p)
    count = np.bincount(index, minlength=binning.bins)
    filled = np.maximum(count, 1)
    mean_p = np.bincount(index, p, minlength=binning.bins) / filled
    mean_y = np.bincount(index, y, minlength=binning.bins) / filled
    base = y.mean()
    shares = count / len(y)
    off_p, off_y = p - mean_p[index], y - mean_y[index]
    return np.array(
        [
            (shares * (mean_p - mean_y) ** 2).sum(),
            (shares * (mean_y - base) ** 2).sum(),
            base * (1 - base),
            (off_p**2).mean(),
            2 * (off_p * off_y).mean(),
        ]
    )
