"""Estimators of grad_mu E_q[L] for Bernoulli weights, as values.

Each has `draw(logits, stream) -> Draw` and `gradient(logits, draw, credit) -> {name: [*shape]}`,
the estimate averaged over the K draws. grad_mu is the natural gradient in the logits.

| estimator | weights it runs | needs | bias |
| --- | --- | --- | --- |
| Relaxed | tanh((lambda + delta) / tau) | dL/dw | biased for tau > 0 |
| HardStraightThrough | exact draws | dL/dw | none for multilinear L; A_ii mu_i for quadratics |
| GumbelStraightThrough | exact draws | dL/dw | biased for tau > 0 |
| GumbelRao | exact draws | dL/dw | as GumbelStraightThrough; tau = 0: none for quadratic L |
| MeanParameter | mu | dL/dw | none for multilinear L |
| Flipout | exact draw, sign-flipped per example | dL/dw | as hard on quadratics, else its own |
| LocalReparameterisation | normal currents per example | dL/dw | replaces the law of the current |
| Score | exact draws | L | none, high variance |
| Arm | antithetic pairs of exact draws | L | none |
| DisArm | antithetic pairs of exact draws | L | none, less variance than Arm |

Flipout turns w - mu round, which is skewed unless mu = 0. Of one weight it runs w and 2 mu - w
alike, so its mean is (E L'(w) + E L'(2 mu - w)) / 2, where hard has E L'(w). On quadratics the two
agree, and flipout has less noise. On w^4 / 4, whose slope is 0 in truth, hard has mu and flipout
mu^3 + 3 mu (1 - mu^2).

What needs dL/dw differentiates the loss between the binary values. In a spiking network that is
the surrogate's derivative, so that all of these are biased there; what needs L alone is not.

Oracle: tests/oracles/test_estimators.py and tests/oracles/test_estimators_draws.py (enumeration of
all weights).
"""

from bayesnn_spike.learn.estimators.arm import Arm as Arm
from bayesnn_spike.learn.estimators.disarm import DisArm as DisArm
from bayesnn_spike.learn.estimators.flipout import Flipout as Flipout
from bayesnn_spike.learn.estimators.gumbel_rao import GumbelRao as GumbelRao
from bayesnn_spike.learn.estimators.gumbel_straight_through import (
    GumbelStraightThrough as GumbelStraightThrough,
)
from bayesnn_spike.learn.estimators.hard import HardStraightThrough as HardStraightThrough
from bayesnn_spike.learn.estimators.local import LocalReparameterisation as LocalReparameterisation
from bayesnn_spike.learn.estimators.mean_parameter import MeanParameter as MeanParameter
from bayesnn_spike.learn.estimators.relaxed import Relaxed as Relaxed
from bayesnn_spike.learn.estimators.scale import EpsScale as EpsScale
from bayesnn_spike.learn.estimators.scale import ExactScale as ExactScale
from bayesnn_spike.learn.estimators.score import Score as Score

Estimator = (
    Relaxed
    | HardStraightThrough
    | GumbelStraightThrough
    | GumbelRao
    | MeanParameter
    | Flipout
    | LocalReparameterisation
    | Score
    | Arm
    | DisArm
)
