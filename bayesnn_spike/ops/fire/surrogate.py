"""Surrogate derivatives of the spike, resets and comparisons, as values.

Each surrogate is a function of x = membrane - threshold; formulas in ops/fire/README.md.
Oracle: tests/ops/test_fire_surrogate.py.
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from bayesnn_spike.checks import require_positive


@final
@dataclass(frozen=True)
class Boxcar:
    """1 inside (-width/2, width/2], 0 outside; the surrogate of BiSNN at width 1."""

    width: float = 1.0

    def __post_init__(self) -> None:
        require_positive(self.width, "Boxcar.width")

    def grad(self, x: Tensor) -> Tensor:
        half = self.width / 2
        return ((x > -half) & (x <= half)).to(x.dtype)


@final
@dataclass(frozen=True)
class Triangle:
    """max(0, 1 - |x| / width)."""

    width: float = 1.0

    def __post_init__(self) -> None:
        require_positive(self.width, "Triangle.width")

    def grad(self, x: Tensor) -> Tensor:
        return (1 - x.abs() / self.width).clamp(min=0)


@final
@dataclass(frozen=True)
class FastSigmoid:
    """1 / (1 + slope |x|)^2."""

    slope: float = 2.0

    def __post_init__(self) -> None:
        require_positive(self.slope, "FastSigmoid.slope")

    def grad(self, x: Tensor) -> Tensor:
        return (1 + self.slope * x.abs()).square().reciprocal()


@final
@dataclass(frozen=True)
class ATan:
    """(alpha/2) / (1 + (pi alpha x / 2)^2), the derivative of an arc tangent of unit rise."""

    alpha: float = 2.0

    def __post_init__(self) -> None:
        require_positive(self.alpha, "ATan.alpha")

    def grad(self, x: Tensor) -> Tensor:
        return (self.alpha / 2) / (1 + (math.pi * self.alpha / 2 * x).square())


@final
@dataclass(frozen=True)
class Sigmoid:
    """The derivative of sigmoid(slope x)."""

    slope: float = 4.0

    def __post_init__(self) -> None:
        require_positive(self.slope, "Sigmoid.slope")

    def grad(self, x: Tensor) -> Tensor:
        p = torch.sigmoid(self.slope * x)
        return self.slope * p * (1 - p)


@final
@dataclass(frozen=True)
class Gaussian:
    """The normal density of standard deviation sigma."""

    sigma: float = 0.5

    def __post_init__(self) -> None:
        require_positive(self.sigma, "Gaussian.sigma")

    def grad(self, x: Tensor) -> Tensor:
        peak = 1 / (self.sigma * math.sqrt(2 * math.pi))
        return peak * torch.exp(-0.5 * (x / self.sigma).square())


Surrogate = Boxcar | Triangle | FastSigmoid | ATan | Sigmoid | Gaussian


@final
@dataclass(frozen=True)
class Subtract:
    """Soft reset: a spike takes the threshold off the membrane and keeps the rest."""


@final
@dataclass(frozen=True)
class ToValue:
    """Hard reset: a spike sets the membrane to `v_reset`."""

    v_reset: float = 0.0


Reset = Subtract | ToValue


@final
@dataclass(frozen=True)
class AtOrAbove:
    """Fire at v >= threshold."""

    def __call__(self, x: Tensor) -> Tensor:
        return (x >= 0).to(x.dtype)


@final
@dataclass(frozen=True)
class Above:
    """Fire at v > threshold."""

    def __call__(self, x: Tensor) -> Tensor:
        return (x > 0).to(x.dtype)


Comparison = AtOrAbove | Above


class _Spike(torch.autograd.Function):
    """The step function forward, the surrogate backward."""

    @staticmethod
    def forward(x: Tensor, surrogate: Surrogate, comparison: Comparison) -> Tensor:
        return comparison(x)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        x, ctx.surrogate, _ = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, cotangent: Tensor):
        (x,) = ctx.saved_tensors
        return cotangent * ctx.surrogate.grad(x), None, None


def spike(x: Tensor, surrogate: Surrogate, comparison: Comparison) -> Tensor:
    """Return the step of x = membrane - threshold (0/1), with the surrogate as its derivative."""
    return _Spike.apply(x, surrogate, comparison)
