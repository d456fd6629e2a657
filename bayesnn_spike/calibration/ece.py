"""The family of expected calibration errors.

    ece(probs, labels)                                   top label, 15 equal-width bins, L1
    ece(probs, labels, binning=EqualMass(15))            adaptive
    ece(probs, labels, norm=L2())                        root mean square
    mce(probs, labels)                                   largest gap of any bin
    classwise_ece(probs, labels)                         mean over the classes' own tables
    debiased_ece(probs, labels)                          minus what noise alone adds

The plain ECE of a perfectly calibrated model is not 0 but grows with bins / examples; see
`noise_floor`.

Oracle: tests/calibration/test_ece.py (cases by hand; netcal's ECE and MCE, which have the same
definition).
"""

import math

import numpy as np

from bayesnn_spike.calibration.binning import Binning
from bayesnn_spike.calibration.inputs import Array, checked, top_label
from bayesnn_spike.calibration.norms import L1, L2, Max, Norm
from bayesnn_spike.calibration.reliability import (
    DEFAULT_BINNING,
    ReliabilityTable,
    tabulate,
)
from bayesnn_spike.calibration.score import Score

DEFAULT_NORM = L1()
_L2 = L2()
_MAX = Max()


def ece(
    probs: Array,
    labels: Array,
    *,
    binning: Binning = DEFAULT_BINNING,
    norm: Norm = DEFAULT_NORM,
) -> Score:
    """Return the calibration error of the top label.

    Args:
        probs: `[N, C]` probabilities.
        labels: `[N]` class indices.
        binning: the bins; empty ones count nothing.
        norm: how the gaps of the bins become one number.

    Source: Naeini et al. 2015; Guo et al. 2017, eq. 3 (with right-closed bins there).
    """
    table = tabulate(*top_label(*checked(probs, labels)), binning, "top label")
    return Score("ece", table.error(norm), _definition(table, norm))


def mce(probs: Array, labels: Array, *, binning: Binning = DEFAULT_BINNING) -> Score:
    """Return the largest |accuracy - confidence| of any bin that holds an example.

    Args:
        probs: `[N, C]` probabilities.
        labels: `[N]` class indices.
        binning: the bins.

    Source: Naeini et al. 2015.
    """
    table = tabulate(*top_label(*checked(probs, labels)), binning, "top label")
    return Score("mce", table.error(_MAX), _definition(table, _MAX))


def classwise_ece(
    probs: Array,
    labels: Array,
    *,
    binning: Binning = DEFAULT_BINNING,
    norm: Norm = DEFAULT_NORM,
) -> Score:
    """Return the mean over classes of the calibration error of that class's probability.

    Args:
        probs: `[N, C]` probabilities.
        labels: `[N]` class indices.
        binning: the bins, applied to each class by itself.
        norm: how the gaps of one class become one number.

    Source: Kull et al. 2019; Nixon et al. 2019 (static calibration error).
    """
    values, targets = checked(probs, labels)
    tables = [
        tabulate(values[:, c], (targets == c).astype(np.float64), binning, "each class")
        for c in range(values.shape[1])
    ]
    value = float(np.mean([table.error(norm) for table in tables]))
    return Score("classwise_ece", value, f"mean over classes: {_definition(tables[0], norm)}")


def debiased_ece(
    probs: Array,
    labels: Array,
    *,
    binning: Binning = DEFAULT_BINNING,
    norm: Norm = _L2,
) -> Score:
    """Return the calibration error of the top label with the noise of the labels taken out.

    L2: from each squared gap the unbiased estimate of its variance, a (1 - a) / (n_b - 1) with
    a the bin's accuracy, is subtracted; the root is of the sum, or 0 if the sum is negative.
    L1: the expected excess of |gap + noise| over |gap|, for Gaussian noise of that variance, is
    subtracted; 0 if the rest is negative.

    A bin with one example has no variance estimate and counts nothing; the definition says how
    many examples that leaves out.

    Args:
        probs: `[N, C]` probabilities.
        labels: `[N]` class indices.
        binning: the bins.
        norm: `L2()` or `L1()`.

    Raises:
        ValueError: another norm, for which no correction is known.

    Source: Kumar, Liang & Ma 2019, "Verified uncertainty calibration", section 5; the L2 form
        is Bröcker 2012 and Ferro & Fricker 2012.
    """
    table = tabulate(*top_label(*checked(probs, labels)), binning, "top label")
    used = table.count > 1
    gaps, shares = table.gap[used], table.count[used] / table.examples
    variance = table.accuracy[used] * (1 - table.accuracy[used]) / (table.count[used] - 1)
    if isinstance(norm, L2):
        value = math.sqrt(max(0.0, float((shares * (gaps**2 - variance)).sum())))
    elif isinstance(norm, L1):
        excess = _mean_absolute(gaps, np.sqrt(variance)) - np.abs(gaps)
        value = max(0.0, float((shares * (np.abs(gaps) - excess)).sum()))
    else:
        raise ValueError(f"debiased_ece knows a correction for L1() and L2() only, got {norm!r}")
    lone = int((table.count == 1).sum())
    definition = f"debiased, {_definition(table, norm)}, {lone} examples alone in a bin left out"
    return Score("debiased_ece", value, definition)


def _definition(table: ReliabilityTable, norm: Norm) -> str:
    return f"{table.definition}, {norm.symbol}, {table.examples} examples"


def _mean_absolute(mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Return E|X| of a Gaussian; |mean| where sd is 0."""
    scale = np.where(sd > 0, sd, 1.0)
    z = mean / scale
    erf = np.array([math.erf(v / math.sqrt(2)) for v in z])
    folded = scale * math.sqrt(2 / math.pi) * np.exp(-(z**2) / 2) + mean * erf
    return np.where(sd > 0, folded, np.abs(mean))
