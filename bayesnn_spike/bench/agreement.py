"""Whether an implementation gives what the reference gives, before it is timed.

Probabilities are compared, so one number fits all. Those that do the reference's arithmetic must
give its values up to the rounding of the last mean; one spike more or less would show. Those that
round otherwise may have some spikes more or less, which moves the probabilities a little.
Oracle: tests/bench/test_agreement.py.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


@final
@dataclass(frozen=True)
class Tolerance:
    """How far values may be from the reference's.

    Attributes:
        largest: bound of the largest absolute difference.
        mean: bound of the mean absolute difference.
    """

    largest: float
    mean: float


EXACT = Tolerance(0.0, 0.0)
SAME = Tolerance(1e-5, 1e-5)
"""The same spikes; the means over time may be rounded otherwise."""
ROUNDED = Tolerance(1.0, 1e-3)
"""Another leak in the last bit: now and then a spike more or less."""
BF16 = Tolerance(1.0, 2e-2)
"""Currents of 8 significant bits."""


def mismatch(found: Tensor, expected: Tensor, tolerance: Tolerance) -> str | None:
    """Return a sentence that says how two tensors differ beyond the tolerance, or None."""
    if found.shape != expected.shape:
        return f"shape {tuple(found.shape)} instead of {tuple(expected.shape)}"
    if not bool(torch.isfinite(found).all()):
        return "not all values are finite"
    gap = (found.double() - expected.double()).abs()
    largest, mean = (float(gap.max()), float(gap.mean())) if gap.numel() else (0.0, 0.0)
    if largest > tolerance.largest or mean > tolerance.mean:
        return (
            f"differs from the reference by up to {largest:.3g}, {mean:.3g} on average; "
            f"allowed are {tolerance.largest:.3g} and {tolerance.mean:.3g}"
        )
    return None
