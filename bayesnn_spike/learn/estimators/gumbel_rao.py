"""Gumbel-Rao: straight-through Gumbel with the scale averaged over the noise given the sign.

Given w, v = lambda + delta has the density (1/2) sech^2(v - lambda) / P(w) on its side of 0. With
a = w lambda the mean scale is

    S(a) = (1 + exp(-2 a)) / 2 * integral over x > 0 of  sech^2(x) cosh^2(a) / cosh^2(tau x - a)

which is a smooth function of one number, summed by Gauss-Legendre quadrature. For tau = 0 it is
(1 + exp(-2 a)) / 2 = 1 / (1 + w mu) = 1 / (2 q(w)).
"""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from bayesnn_spike.checks import require_interval, require_positive
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.estimators._draws import hard
from bayesnn_spike.posterior.bernoulli import logcosh
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights
from bayesnn_spike.weights import sign_leaves

_NODES, _WEIGHTS = (torch.from_numpy(v) for v in np.polynomial.legendre.leggauss(64))
# So many numbers are summed at once: large parameters go over the nodes one by one.
_AT_ONCE = 1 << 20
# The integral ends where the integrand has fallen by exp(-32).
_TAIL = 16.0


@final
@dataclass(frozen=True)
class GumbelRao:
    """Exact draws w, gradient E[s | w] dL/dw taken at them: no noise of the relaxation is left.

    Its mean is that of `GumbelStraightThrough`, its variance never higher. For tau = 0 the scale is
    1 / (1 + w mu), and the mean of the estimate is that of the slopes at w_i = -1 and +1 with the
    other weights drawn: exact for losses that are quadratic in every single weight, where
    `HardStraightThrough` is exact for multilinear ones only.

    The relation to Walker, Khajehnejad and Razi 2025 (arXiv 2505.17962): their analytical
    Gumbel-Rao estimator is for noisy binary activations. Here are binary weights, and the
    conditional mean is derived from Paulus et al.; their importance-weighted straight-through
    family, auxiliary loss and spiking Bayesian networks are not implemented.

    Args:
        tau: relaxation temperature of the backward pass, from 0 on.
        draws: K.

    Raises:
        ValueError: negative tau or no draw.

    Source: Paulus, Maddison and Krause 2021, with the mean over the noise summed where
        they sample it. Oracle: tests/oracles/test_estimators_draws.py and
        tests/learn/estimators/test_gumbel_rao.py.
    """

    tau: float = 0.5
    draws: int = 1

    def __post_init__(self) -> None:
        require_interval(self.tau, "tau", 0, math.inf)
        require_positive(self.draws, "draws")

    def draw(self, logits: Weights, stream: Stream) -> Draw:
        return Draw(*sign_leaves(hard(logits, stream, self.draws)))

    def gradient(self, logits: Weights, draw: Draw, credit: Credit) -> Weights:
        grads = {}
        for name, values in logits.items():
            positive = draw.leaves[name].detach() >= 0
            up, down = mean_scale(torch.stack((values, -values)), self.tau)
            grads[name] = (torch.where(positive, up, down) * credit.grads[name]).mean(0)
        return grads


def mean_scale(a: Tensor, tau: float) -> Tensor:
    """E[s | w] for a = w lambda `[*shape]`: s of `ExactScale` averaged over the noise given w.

    Relative error below 1e-6 in float64 for |a| up to 10 and tau up to 2.
    """
    log_weight = softplus(-2 * a) - math.log(2)
    if tau == 0:
        return log_weight.exp()
    # The integrand falls like exp(-2 (1 - tau) x) up to a / tau, like exp(-2 (1 + tau) x) beyond.
    end = a.clamp(min=0) / tau + _TAIL / (1 + tau)
    if tau < 1:
        end = end.clamp(max=_TAIL / (1 - tau))
    top, total = logcosh(a), torch.zeros_like(a)
    nodes = torch.stack(((1 + _NODES) / 2, _WEIGHTS / 2), 1).to(a)
    for some in nodes.split(max(1, _AT_ONCE // max(1, a.numel()))):
        node, weight = some.T.reshape(2, -1, *([1] * a.ndim))
        x = end * node
        heights = torch.exp(2 * (top - logcosh(x) - logcosh(tau * x - a)) + log_weight)
        total = total + (weight * heights).sum(0)
    return total * end
