"""Estimators of grad_mu E_q[L] for Bernoulli weights, as values.

Each has `draw(logits, stream) -> Draw` and `gradient(logits, draw, credit) -> {name: [*shape]}`,
the estimate averaged over the K draws. grad_mu is the natural gradient in the logits.

| estimator | weights it runs | bias |
| --- | --- | --- |
| Relaxed | tanh((lambda + delta) / tau) | biased for tau > 0 |
| HardStraightThrough | exact draws | none for multilinear L; adds A_ii mu_i for quadratics |
| MeanParameter | mu | none for multilinear L |
| Flipout | exact draw, sign-flipped per example | as HardStraightThrough, less variance |
| LocalReparameterisation | normal currents per example | replaces the law of the current |
| Score | exact draws | none, high variance |

Oracle: tests/oracles/test_estimators.py (enumeration of all weights).
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from bayesnn_spike.checks import require_positive
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.rule import leaf
from bayesnn_spike.ops.draw import draw_signs, logistic_noise, random_bits
from bayesnn_spike.posterior.bernoulli import logcosh
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights
from bayesnn_spike.weights import FlipoutWeight, LocalWeight, sign_leaves


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


@final
@dataclass(frozen=True)
class Relaxed:
    """w = tanh((lambda + delta) / tau), gradient s * dL/dw with s = (1 - w^2) / (tau (1 - mu^2)).

    Args:
        tau: relaxation temperature. 1 as published over-drives confident weights and under-drives
            uncertain ones; 0.1 to 0.5 is the sensible range.
        draws: K.
        scale: ExactScale() or EpsScale().

    Source: Maddison et al. 2017; Meng et al. 2020 (BayesBiNN).
    """

    tau: float = 0.5
    draws: int = 1
    scale: ExactScale | EpsScale = ExactScale()

    def __post_init__(self) -> None:
        require_positive(self.tau, "tau")
        require_positive(self.draws, "draws")

    def draw(self, logits: Weights, stream: Stream) -> Draw:
        z = {}
        for name, values in logits.items():
            bits = random_bits(
                tuple(values.shape),
                stream=stream.child(name),
                draws=self.draws,
                device=values.device,
            )
            z[name] = (values + logistic_noise(bits, values.dtype)) / self.tau
        weights = {name: leaf(values.tanh()) for name, values in z.items()}
        return Draw(weights, weights, z)

    def gradient(self, logits: Weights, draw: Draw, credit: Credit) -> Weights:
        return {
            name: (self.scale(values, draw.noise[name], self.tau) * credit.grads[name]).mean(0)
            for name, values in logits.items()
        }


@final
@dataclass(frozen=True)
class HardStraightThrough:
    """Exact draws w in {-1, +1}, gradient dL/dw taken at them.

    Args:
        draws: K.
    """

    draws: int = 1

    def __post_init__(self) -> None:
        require_positive(self.draws, "draws")

    def draw(self, logits: Weights, stream: Stream) -> Draw:
        return Draw(*sign_leaves(_hard(logits, stream, self.draws)))

    def gradient(self, logits: Weights, draw: Draw, credit: Credit) -> Weights:
        del draw
        return _mean_gradient(logits, credit)


@final
@dataclass(frozen=True)
class MeanParameter:
    """Run the mean weights mu = tanh(lambda); no sampling."""

    def draw(self, logits: Weights, stream: Stream) -> Draw:
        del stream
        weights = {name: leaf(values.tanh()[None]) for name, values in logits.items()}
        return Draw(weights, weights)

    def gradient(self, logits: Weights, draw: Draw, credit: Credit) -> Weights:
        del draw
        return _mean_gradient(logits, credit)


@final
@dataclass(frozen=True)
class Flipout:
    """Exact draws, their deviation from mu sign-flipped per example and unit.

    Args:
        draws: K.

    Source: Wen et al. 2018, with Bernoulli weights.
    """

    draws: int = 1

    def __post_init__(self) -> None:
        require_positive(self.draws, "draws")

    def draw(self, logits: Weights, stream: Stream) -> Draw:
        signs = _hard(logits, stream, self.draws)
        leaves = _means(logits, self.draws)
        weights = {
            name: FlipoutWeight(mean, signs[name], stream.child(name, "flip"))
            for name, mean in leaves.items()
        }
        return Draw(weights, leaves)

    def gradient(self, logits: Weights, draw: Draw, credit: Credit) -> Weights:
        del draw
        return _mean_gradient(logits, credit)


@final
@dataclass(frozen=True)
class LocalReparameterisation:
    """Normal currents of the exact mean and variance, one noise per example and unit.

    Args:
        draws: K.

    Source: Kingma et al. 2015; Peters and Welling 2018 for binary weights.
    """

    draws: int = 1

    def __post_init__(self) -> None:
        require_positive(self.draws, "draws")

    def draw(self, logits: Weights, stream: Stream) -> Draw:
        leaves = _means(logits, self.draws)
        weights = {
            name: LocalWeight(mean, stream.child(name, "local")) for name, mean in leaves.items()
        }
        return Draw(weights, leaves)

    def gradient(self, logits: Weights, draw: Draw, credit: Credit) -> Weights:
        del draw
        return _mean_gradient(logits, credit)


@final
@dataclass(frozen=True)
class Score:
    """(L_k - mean of the other losses) w / (1 + w mu): unbiased, needs no gradient of L.

    Args:
        draws: K, at least 2, for the leave-one-out baseline.

    Source: Williams 1992; Kool et al. 2019 for the baseline.
    """

    draws: int = 8

    def __post_init__(self) -> None:
        if self.draws < 2:
            raise ValueError(f"the leave-one-out baseline needs at least 2 draws, got {self.draws}")

    def draw(self, logits: Weights, stream: Stream) -> Draw:
        return Draw(_hard(logits, stream, self.draws), {})

    def gradient(self, logits: Weights, draw: Draw, credit: Credit) -> Weights:
        losses = credit.losses
        others = (losses.sum() - losses) / (len(losses) - 1)
        advantage = losses - others
        grads = {}
        for name, values in logits.items():
            w = draw.weights[name]
            # w / (1 + w mu) = w (1 + exp(-2 w lambda)) / 2, which does not cancel.
            score = w * (1 + torch.exp(-2 * w * values)) / 2
            grads[name] = (advantage.view(-1, *([1] * values.ndim)) * score).mean(0)
        return grads


Estimator = (
    Relaxed | HardStraightThrough | MeanParameter | Flipout | LocalReparameterisation | Score
)


def _mean_gradient(logits: Weights, credit: Credit) -> Weights:
    """The mean over draws of the gradients at the leaves: the scale s is 1."""
    return {name: credit.grads[name].mean(0) for name in logits}


def _means(logits: Weights, draws: int) -> Weights:
    """Leaves of mu, one for each draw, so that gradients come one a draw."""
    return {
        name: leaf(values.tanh().expand(draws, *values.shape).contiguous())
        for name, values in logits.items()
    }


def _hard(logits: Weights, stream: Stream, draws: int) -> Weights:
    return {
        name: draw_signs(values, stream=stream.child(name), draws=draws)
        for name, values in logits.items()
    }
