"""The ECE that a perfectly calibrated model would show on this many examples.

Oracle: tests/calibration/test_noise_floor.py (two bins with a closed form; a direct simulation).
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from bayesnn_spike.calibration.binning import Binning
from bayesnn_spike.calibration.ece import DEFAULT_NORM
from bayesnn_spike.calibration.inputs import Array, as_probabilities
from bayesnn_spike.calibration.norms import Norm
from bayesnn_spike.calibration.reliability import DEFAULT_BINNING, drawn_right
from bayesnn_spike.rng import Stream


@final
@dataclass(frozen=True)
class NoiseFloor:
    """The distribution of the ECE under perfect calibration.

    Attributes:
        mean: its mean; `float(floor)` is it.
        sd: its standard deviation (ddof 1).
        high: its 95th percentile: an ECE below it is no evidence of miscalibration.
        draws: how many times all labels were drawn.
        definition: bins, norm and number of examples.
    """

    mean: float
    sd: float
    high: float
    draws: int
    definition: str

    def __float__(self) -> float:
        return self.mean


def ece_noise_floor(
    probs: Array,
    *,
    stream: Stream,
    binning: Binning = DEFAULT_BINNING,
    norm: Norm = DEFAULT_NORM,
    draws: int = 1000,
) -> NoiseFloor:
    """Draw labels from the model's own probabilities and return the ECE that results.

    Args:
        probs: `[N, C]` probabilities.
        stream: source of the labels.
        binning, norm: the definition of the ECE.
        draws: number of draws of all labels, at least 2.

    Raises:
        ValueError: fewer than two draws.
    """
    if draws < 2:
        raise ValueError(f"the floor's standard deviation needs at least 2 draws, got {draws!r}")
    confidence = as_probabilities(probs).max(axis=1)
    index = binning.assign(confidence)
    expected = np.bincount(index, confidence, minlength=binning.bins)
    count = np.bincount(index, minlength=binning.bins)
    right = drawn_right(confidence, index, binning.bins, draws, stream)
    errors = norm.reduce((right - expected) / np.maximum(count, 1), count / len(confidence))
    definition = (
        f"labels drawn {draws} times from the model's own probabilities; top label, "
        f"{binning.definition}, {norm.symbol}, {len(confidence)} examples"
    )
    return NoiseFloor(
        mean=float(errors.mean()),
        sd=float(errors.std(ddof=1)),
        high=float(np.percentile(errors, 95)),
        draws=draws,
        definition=definition,
    )
