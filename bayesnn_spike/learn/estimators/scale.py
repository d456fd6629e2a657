"""The scale s that turns a gradient at relaxed weights into one in mu.

s = (1 - w^2) / (tau (1 - mu^2)),   w = tanh z,   z = (lambda + delta) / tau
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from bayesnn_spike.posterior.bernoulli import logcosh


@final
@dataclass(frozen=True)
class ExactScale:
    """s = cosh(lambda)^2 / (tau cosh(z)^2) in log space, exact for any lambda.

    Args:
        maximum: clip s from above; None leaves its heavy tail.
    """

    maximum: float | None = None

    def __call__(self, logits: Tensor, z: Tensor, tau: float) -> Tensor:
        s = torch.exp(2 * (logcosh(logits) - logcosh(z))) / tau
        return s if self.maximum is None else s.clamp(max=self.maximum)


@final
@dataclass(frozen=True)
class EpsScale:
    """s = (1 - w^2 + eps) / (tau (1 - mu^2 + eps)) in float32, as published (`eps_compat`).

    For |lambda| above about 8 float32 saturates and eps takes over: s becomes 1/tau, plain
    straight-through, or rounding noise. BayesBiNN's published settings live there.
    """

    eps: float = 1e-10

    def __call__(self, logits: Tensor, z: Tensor, tau: float) -> Tensor:
        w, mu = z.tanh(), logits.tanh()
        return (1 - w * w + self.eps) / tau / (1 - mu * mu + self.eps)
