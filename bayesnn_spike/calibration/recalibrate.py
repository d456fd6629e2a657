"""Temperature scaling: one number that sharpens or softens all predictions, and no ranking changes.

    temperature = fit_temperature(calib_probs, calib_labels)
    better = temperature(test_probs)

With z = ln p, the scaled probabilities are softmax(z / T). Scaling ln p and scaling the logits
is the same for a single network; for a committee it scales the averaged prediction. In the
inverse temperature b = 1 / T the NLL is convex, with derivative

    d NLL / d b = mean_i ( sum_c q_ic z_ic - z_i,label ),    q = softmax(b z),

so that the minimum is found by bisection of the derivative's sign: no step size, no random
start, the same bits every time.

Source: Guo et al. 2017, "On calibration of modern neural networks", section 4.2.
Oracle: tests/calibration/test_recalibrate.py (a known temperature is found again; the derivative
    is 0 at the fit; netcal's TemperatureScaling).
"""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.calibration.inputs import Array, as_probabilities, checked
from bayesnn_spike.calibration.proper import FLOOR, example_nll

LIMITS = (0.01, 100.0)
"""Smallest and largest temperature. Data without an error have no minimum: the fit ends here."""


@final
@dataclass(frozen=True)
class Temperature:
    """A fitted temperature; calling it scales probabilities.

    Attributes:
        value: T; above 1 softens, below 1 sharpens.
        nll_before, nll_after: mean NLL in nats on the examples of the fit.
        examples: how many those were.
    """

    value: float
    nll_before: float = math.nan
    nll_after: float = math.nan
    examples: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.value < math.inf:
            raise ValueError(f"a temperature must be positive and finite, got {self.value!r}")

    @property
    def at_limit(self) -> bool:
        """Whether the fit ran into `LIMITS`: the examples determine no temperature."""
        return self.value in LIMITS

    def __call__(self, probs: Array) -> Array:
        """Return softmax(ln p / T), a tensor for a tensor (same dtype, device), else float64.

        Args:
            probs: `[N, C]` probabilities; below 2.2e-16 they count as that.
        """
        scaled = _softmax(_log(as_probabilities(probs)) / self.value)
        if isinstance(probs, Tensor):
            return torch.from_numpy(scaled).to(dtype=probs.dtype, device=probs.device)
        return scaled


def fit_temperature(probs: Array, labels: Array) -> Temperature:
    """Find the temperature that minimises the NLL of the labels.

    Args:
        probs: `[N, C]` probabilities on examples that neither trained nor will be scored. Enter
            the split into the ledger: `ledger.fitted("temperature", split)`.
        labels: `[N]` class indices.

    Returns:
        The temperature, within `LIMITS`.
    """
    values, targets = checked(probs, labels)
    z = _log(values)
    of_label = np.take_along_axis(z, targets[:, None], axis=1)[:, 0]

    def slope(log_temperature: float) -> float:
        """Derivative of the NLL in 1 / T; negative where a lower temperature is better."""
        q = _softmax(z / math.exp(log_temperature))
        return float(((q * z).sum(axis=1) - of_label).mean())

    cold, hot = math.log(LIMITS[0]), math.log(LIMITS[1])
    if slope(cold) <= 0:
        value = LIMITS[0]
    elif slope(hot) >= 0:
        value = LIMITS[1]
    else:
        while True:
            middle = (cold + hot) / 2
            if (
                not cold < middle < hot
            ):  # no double lies between: the bracket is as tight as it gets
                break
            cold, hot = (cold, middle) if slope(middle) <= 0 else (middle, hot)
        value = math.exp(hot)
    fitted = Temperature(value)
    before = float(example_nll(values, targets).mean())
    after = float(example_nll(fitted(values), targets).mean())
    return Temperature(value, before, after, len(targets))


def _log(probs: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probs, FLOOR))


def _softmax(z: np.ndarray) -> np.ndarray:
    shifted = np.exp(z - z.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)
