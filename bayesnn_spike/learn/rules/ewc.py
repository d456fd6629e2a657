"""Elastic weight consolidation: a spring holds each weight where the tasks before want it.

    gradient = d L / dw + strength / N * (sum_a N_a F_a) (v - anchor)

N is the current task's examples; F_a is the diagonal Fisher information of task a at its end, N_a
its examples, and the anchor is where the latents were at the end of the last task. With strength 1
this is the mean negative log posterior of the current task, the Laplace approximation of the
posterior after the tasks before as the prior.
"""

from dataclasses import dataclass
from typing import NamedTuple, final

import torch

from bayesnn_spike.checks import require_positive, require_same_names
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.rule import Latents
from bayesnn_spike.learn.rules.gradient import Gradient
from bayesnn_spike.learn.rules.st_bisnn import StBiSNN
from bayesnn_spike.learn.rules.straight_through import StraightThrough
from bayesnn_spike.posterior import Point
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


class EwcState(NamedTuple):
    """The rule's latents, and the springs: leaves `[n, *shape]`.

    Attributes:
        inner: latents and optimizer of the rule.
        precision: sum_a N_a F_a.
        anchor: the latents at the end of the last task.
    """

    inner: Latents
    precision: Weights
    anchor: Weights


@final
@dataclass(frozen=True)
class EWC:
    """A point rule whose latents are held by springs.

    Binary rules: the Fisher information is taken at the signs, and its springs pull on the real
    latents behind them, as the gradient of straight-through does.

    Args:
        rule: `Gradient`, `StraightThrough` or `StBiSNN`.
        examples: N of the current task.
        strength: multiplies the springs; 1 is Laplace, and in practice it is tuned.

    Raises:
        ValueError: examples below 1, or strength not positive.
        TypeError: the rule is another one.

    Source: Kirkpatrick et al. 2017, equation 3, with one anchor for all tasks before (Huszar 2018:
    one a task counts the earlier tasks twice); N_a and 1/N make the strength independent of the
    sizes of tasks. Oracle: tests/learn/rules/test_ewc.py (sequential equals joint on parabolas).
    """

    rule: Gradient | StraightThrough | StBiSNN
    examples: int
    strength: float = 1.0

    def __post_init__(self) -> None:
        require_positive(self.examples, "EWC.examples")
        require_positive(self.strength, "EWC.strength")
        if not isinstance(self.rule, Gradient | StraightThrough | StBiSNN):
            raise TypeError(
                "EWC holds the latents of a point rule: Gradient, StraightThrough or StBiSNN, not "
                f"{type(self.rule).__name__}"
            )

    def init(self, params: Weights, stream: Stream) -> EwcState:
        inner = self.rule.init(params, stream)
        zeros = ({n: torch.zeros_like(v) for n, v in inner.latents.items()} for _ in range(2))
        return EwcState(inner, *zeros)

    def draw(self, state: EwcState, stream: Stream) -> Draw:
        return self.rule.draw(state.inner, stream)

    def step(self, state: EwcState, draw: Draw, credit: Credit) -> EwcState:
        weight = self.strength / self.examples
        grads = {}
        for n, v in state.inner.latents.items():
            spring = state.precision[n] * (v - state.anchor[n])
            grads[n] = torch.add(credit.grads[n], spring, alpha=weight)
        inner = self.rule.step(state.inner, draw, Credit(credit.losses, grads))
        return EwcState(inner, state.precision, state.anchor)

    def posterior(self, state: EwcState) -> Point:
        return self.rule.posterior(state.inner)

    def anchor(self, state: EwcState, fisher: Weights) -> EwcState:
        """Add the task that ends: N of this rule times its Fisher information; anchor here.

        Args:
            state: at the end of the task.
            fisher: leaves `[*shape]`, see `bayesnn_spike.learn.fisher`.

        Raises:
            ValueError: other names than the latents'.
        """
        latents = state.inner.latents
        require_same_names(fisher, latents, "the Fisher information", "the latents")
        return EwcState(
            state.inner,
            {n: p + self.examples * fisher[n][None] for n, p in state.precision.items()},
            {n: v.clone() for n, v in latents.items()},
        )
