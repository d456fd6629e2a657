"""Latency code: every value fires once at most, the larger the earlier.

Oracle: tests/encoding/test_latency.py.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from bayesnn_spike.encoding._range import require_unit


@final
@dataclass(frozen=True)
class Linear:
    """Delay falls linearly from the last step (value -> 0) to step 0 (value 1)."""

    def delay(self, values: Tensor) -> Tensor:
        """Return delays in [0, 1] for values in (0, 1]; 1 is the last step."""
        return 1.0 - values


@final
@dataclass(frozen=True)
class Charging:
    """Delay of a leaky membrane charged by a constant current until it reaches a threshold.

    A current I reaches the threshold after `tau log(I / (I - threshold))`, in shares of the window.

    Args:
        tau: membrane time constant, in shares of the window; > 0.
        threshold: values at or below it never fire; in (0, 1).

    Source: Gerstner and Kistler, Spiking Neuron Models (2002), eq. 4.6.
    """

    tau: float = 0.25
    threshold: float = 0.02

    def __post_init__(self) -> None:
        if not self.tau > 0 or not 0 < self.threshold < 1:
            raise ValueError(
                f"charging needs tau > 0 and a threshold in (0, 1), got {self.tau}, "
                f"{self.threshold}"
            )

    def delay(self, values: Tensor) -> Tensor:
        """Return delays >= 0; infinite where the threshold is not reached."""
        reaches = values > self.threshold
        safe = torch.where(reaches, values, torch.ones_like(values))
        delays = self.tau * torch.log(safe / (safe - self.threshold))
        return torch.where(reaches, delays, torch.full_like(values, torch.inf))


def latency(values: Tensor, *, steps: int, curve: Linear | Charging | None = None) -> Tensor:
    """Turn each value into one spike whose time step tells the value.

    The spike falls on step `round(delay (steps - 1))`, ties to the even step. A value of 0 never
    fires, nor does one whose delay is beyond the last step.

    Args:
        values: `[*shape]` in [0, 1].
        steps: time steps T >= 1.
        curve: how a value becomes a delay; default `Linear()`.

    Returns:
        `[T, *shape]` uint8.

    Raises:
        ValueError: a value is outside [0, 1] or not finite, or `steps` < 1.
    """
    require_unit(values, "values", steps)
    exact = values.double()
    at = torch.round((curve or Linear()).delay(exact) * (steps - 1))
    clock = torch.arange(steps, device=values.device).reshape(-1, *[1] * values.ndim)
    return ((clock == at) & (exact > 0)).to(torch.uint8)
