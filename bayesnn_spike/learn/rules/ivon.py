"""IVON: a normal posterior over real weights at the price of Adam.

    q(w) = N(m, 1 / s),   s = ess (h + d),   ess = 1 / rho,   d = rho s0
    F(q) = E_q[L(w)] + rho KL(q || N(m0, 1 / s0)),   L the mean loss
    f = mean_k noise_k g_k (h + d) ess                        estimate of the Hessian's diagonal
    a <- b1 a + (1 - b1) mean_k g_k
    h <- b2 h + (1 - b2) f + (1 - b2)^2 (h - f)^2 / (2 (h + d))
    m <- m - lr (h0 + d0) (a / (1 - b1^t) + d (m - m0)) / (h + b2^t e + d)

g_k is the gradient at m + noise_k, noise_k ~ N(0, 1 / s). The third term of h keeps h + d positive.
d0 is d of the first prior. e is 0 until the posterior has become a prior, and then h0.

How far a step goes. Where the mean loss has curvature A, a step multiplies the distance to the
optimum by 1 - lr (h0 + d0) (A + d) / (h + b2^t e + d), momentum aside. At first that is
1 - lr (A + d0); once h has found A it is 1 - lr (h0 + d0), for every A. A later task starts with
h = 0, so that the posterior is the prior until there are data. Where the tasks before were stiff,
d >> h0, and the step is as short as theirs was at their end. Where they were flat, d = d0: without
e the step would be (h0 + d0) / d0 times as long as in a first task, and diverge if this task is
stiff. With e it is never longer than lr (A + d). Where lr A itself is large, first tasks diverge
too: `hessian` must then be nearer to A.
"""

from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from bayesnn_spike.checks import require_decay, require_positive
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.initial import Initial, Normal, initialise
from bayesnn_spike.learn.rule import leaf
from bayesnn_spike.learn.schedule import Schedule, as_schedule
from bayesnn_spike.learn.temperature import Temperature
from bayesnn_spike.posterior.gaussian import Gaussian, standard_normal
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


class IvonState(NamedTuple):
    """All leaves `[*shape]`, and the steps taken.

    Attributes:
        means: m.
        momentum: a, the running mean of gradients.
        hessian: h, the diagonal of the mean loss's Hessian.
        prior_means: m0.
        prior_precisions: s0.
        damping: b2^t e, a float64 scalar: what h still lacks of h0 for steps to be short enough.
        count: int64 scalar.
    """

    means: Weights
    momentum: Weights
    hessian: Weights
    prior_means: Weights
    prior_precisions: Weights
    damping: Tensor
    count: Tensor


@final
@dataclass(frozen=True)
class IVON:
    """Improved variational online Newton: the Gaussian comparator for full-precision networks.

    Args:
        temperature: where rho comes from; 1 / rho is the paper's effective sample size.
        lr: step size or schedule; as published it is multiplied by h0 + d0. Keep the product
            below 2.
        draws: K, weight draws a step.
        beta1: decay of the mean of gradients.
        beta2: decay of the Hessian.
        hessian: h0, the Hessian to start from, positive. Together with `temperature` it sets the
            noise of the first steps.
        prior_precision: s0 of every weight; the paper's weight decay is rho s0. The prior's mean
            is 0 until `consolidate` puts a posterior in its place.
        initial: first means; normal of deviation 1, since layers scale by 1/sqrt(fan_in).

    Raises:
        ValueError: a decay outside [0, 1), or a value that must be positive and is not (tempering
            too: without a prior nothing bounds the variance).

    Deviations from the source: the prior may have a mean and a precision of every weight's own (the
    source's are 0 and one number); gradients are not clipped.

    Source: Shen et al. 2024, "Variational learning is effective for large deep networks",
    algorithm 1. Oracle: tests/learn/rules/test_ivon.py (a quadratic loss in closed form).
    """

    temperature: Temperature
    lr: "float | Schedule" = 0.1
    draws: int = 1
    beta1: float = 0.9
    beta2: float = 0.999
    hessian: float = 0.1
    prior_precision: float = 1.0
    initial: Initial = Normal(1.0)

    def __post_init__(self) -> None:
        as_schedule(self.lr)
        require_positive(self.temperature.rho, "IVON.temperature.rho")
        require_positive(self.draws, "IVON.draws")
        require_decay(self.beta1, "IVON.beta1")
        require_decay(self.beta2, "IVON.beta2")
        require_positive(self.hessian, "IVON.hessian")
        require_positive(self.prior_precision, "IVON.prior_precision")

    @property
    def effective_sample_size(self) -> float:
        """1 / rho: examples times scored steps, over the tempering."""
        return 1 / self.temperature.rho

    def init(self, params: Weights, stream: Stream) -> IvonState:
        means = initialise(self.initial, params, stream)
        return IvonState(
            means,
            momentum=_filled(means, 0.0),
            hessian=_filled(means, self.hessian),
            prior_means=_filled(means, 0.0),
            prior_precisions=_filled(means, self.prior_precision),
            damping=_number(0.0),
            count=torch.zeros((), dtype=torch.int64),
        )

    def draw(self, state: IvonState, stream: Stream) -> Draw:
        precisions = self._precisions(state)
        noise = {
            n: standard_normal(m, stream.child(n), self.draws) / precisions[n].sqrt()
            for n, m in state.means.items()
        }
        weights = {n: leaf(m + noise[n]) for n, m in state.means.items()}
        return Draw(weights, weights, noise)

    def step(self, state: IvonState, draw: Draw, credit: Credit) -> IvonState:
        rho, count = self.temperature.rho, int(state.count)
        lr = as_schedule(self.lr)(count) * (self.hessian + rho * self.prior_precision)
        damping = state.damping * self.beta2
        means, momentum, hessian = {}, {}, {}
        for n, m in state.means.items():
            g, h = credit.grads[n], state.hessian[n]
            d = rho * state.prior_precisions[n]
            f = (draw.noise[n] * g).mean(0) * (h + d) / rho
            a = torch.lerp(g.mean(0), state.momentum[n], self.beta1)
            keep = 1 - self.beta2
            hessian[n] = h + keep * (f - h) + (keep * (h - f)) ** 2 / (2 * (h + d))
            slope = a / (1 - self.beta1 ** (count + 1)) + d * (m - state.prior_means[n])
            means[n] = m - lr * slope / (hessian[n] + float(damping) + d)
            momentum[n] = a
        return IvonState(
            means,
            momentum,
            hessian,
            state.prior_means,
            state.prior_precisions,
            damping,
            state.count + 1,
        )

    def posterior(self, state: IvonState) -> Gaussian:
        return Gaussian({n: m.clone() for n, m in state.means.items()}, self._precisions(state))

    def restart(self, state: IvonState) -> IvonState:
        """Go on with the same prior: momentum and Hessian start afresh, means are kept."""
        return state._replace(
            momentum=_filled(state.means, 0.0),
            hessian=_filled(state.means, self.hessian),
            damping=_number(0.0),
            count=torch.zeros((), dtype=torch.int64),
        )

    def consolidate(self, state: IvonState) -> IvonState:
        """Make the posterior the prior of the next task; momentum and Hessian start afresh.

        `self` is the rule of the task that ends: its temperature is part of the precision. The
        next task's rule counts its own examples. The Hessian starts at 0, so that the posterior is
        the new prior until there are data; steps are damped as if it started at h0.
        """
        zeros = _filled(state.means, 0.0)
        return IvonState(
            means={n: m.clone() for n, m in state.means.items()},
            momentum=zeros,
            hessian={n: v.clone() for n, v in zeros.items()},
            prior_means={n: m.clone() for n, m in state.means.items()},
            prior_precisions=self._precisions(state),
            damping=_number(self.hessian),
            count=torch.zeros((), dtype=torch.int64),
        )

    def _precisions(self, state: IvonState) -> Weights:
        """h / rho + s0."""
        rho = self.temperature.rho
        return {n: h / rho + state.prior_precisions[n] for n, h in state.hessian.items()}


def _filled(like: Weights, value: float) -> Weights:
    return {n: torch.full_like(v, value) for n, v in like.items()}


def _number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)
