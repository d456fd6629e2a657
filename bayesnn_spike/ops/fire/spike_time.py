"""Surrogates of z = u / v_threshold - 1 and the two orders of a step, as values.

`SpikeTime` looks at the clock of the neuron, the steps since its last spike, and not at u;
`LinearRatio` looks at z. Formulas in ops/fire/README.md. Oracle: tests/ops/test_fire_spike_time.py.
"""

from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from bayesnn_spike.checks import require_positive

# The clock of a neuron that has not fired yet, at its first step: the spike before lies 1000 back.
FIRST = 999


class ClockState(NamedTuple):
    """What a neuron carries over: each one step's shape.

    Attributes:
        membrane: after the last step and its reset.
        clock: int32, steps from the last spike to the next step: 1 right after a spike, 999 for a
            neuron that starts.
    """

    membrane: Tensor
    clock: Tensor


@final
@dataclass(frozen=True)
class SpikeTime:
    """alpha exp(-beta dt), dt = steps since this neuron's own last spike (STDB).

    A neuron that has not fired yet has dt >= 999, and next to no gradient: 1.4e-5 at the defaults.

    Attributes:
        alpha: height, positive.
        beta: decay a step, positive.
        scale_by_threshold: do/du has the factor 1 / v_threshold of z = u / v_threshold - 1.
        legacy_underflow: alpha (exp(-dt))^beta in float32, which is exactly 0 from dt = 104 on: as
            the first implementations computed it.

    Source: Rathi et al., ICLR 2020. Oracle: tests/ops/test_fire_spike_time.py.
    """

    alpha: float = 0.3
    beta: float = 0.01
    scale_by_threshold: bool = True
    legacy_underflow: bool = False

    def __post_init__(self) -> None:
        require_positive(self.alpha, "SpikeTime.alpha")
        require_positive(self.beta, "SpikeTime.beta")

    def slope(self, z: Tensor, clock: Tensor) -> Tensor:
        """Return do/dz in the dtype of z; only the clock counts."""
        if self.legacy_underflow:
            power = torch.exp(-clock.float()) ** self.beta
            return (self.alpha * power).to(z.dtype)
        return self.alpha * torch.exp(-self.beta * clock.to(z.dtype))


@final
@dataclass(frozen=True)
class LinearRatio:
    """gamma max(0, 1 - |z|).

    Attributes:
        gamma: height, positive.
        scale_by_threshold: do/du has the factor 1 / v_threshold of z = u / v_threshold - 1.

    Source: Bellec et al., NeurIPS 2018. Oracle: tests/ops/test_fire_spike_time.py.
    """

    gamma: float = 0.3
    scale_by_threshold: bool = True

    def __post_init__(self) -> None:
        require_positive(self.gamma, "LinearRatio.gamma")

    def slope(self, z: Tensor, clock: Tensor) -> Tensor:
        """Return do/dz; the clock does not count."""
        del clock
        return self.gamma * (1 - z.abs()).clamp(min=0)


RatioSurrogate = SpikeTime | LinearRatio


@final
@dataclass(frozen=True)
class Immediate:
    """The current of a step can make a spike in the same step."""


@final
@dataclass(frozen=True)
class Delayed:
    """A spike is decided by the membrane of the step before: one step of latency a layer."""


Order = Immediate | Delayed
