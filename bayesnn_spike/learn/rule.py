"""What a learning rule is: four functions over a state of plain tensors.

    init(params, stream) -> state          latents for a network's parameters
    draw(state, stream) -> Draw            weights to run the network with, K of them
    step(state, draw, credit) -> state     move the latents
    posterior(state) -> AbstractPosterior  what has been learned

Laws, checked for every rule by tests/contracts/test_rules.py: all four are functions of their
arguments (equal inputs give equal bits), no input is changed, the state keeps its structure,
shapes and dtypes, draws of a rule with a spread posterior differ, and a saved and loaded state goes
on identically.
"""

from typing import Any, NamedTuple, Protocol

from torch import Tensor

from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.posterior import AbstractPosterior
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


class Rule(Protocol):
    """A learning rule; implementations are frozen dataclasses in `learn/rules/`."""

    def init(self, params: Weights, stream: Stream) -> Any:
        """Return the first state for parameters `{name: [*shape]}`; values count for `Given()`."""

    def draw(self, state: Any, stream: Stream) -> Draw:
        """Return training weights, leaves `[K, *shape]`; may be relaxed."""

    def step(self, state: Any, draw: Draw, credit: Credit) -> Any:
        """Return the next state, given what the drawn weights cost."""

    def posterior(self, state: Any) -> AbstractPosterior:
        """Return the distribution that the state stands for."""


class Latents(NamedTuple):
    """State of the rules that keep one real value a weight.

    Attributes:
        latents: leaves `[n, *shape]`; n is 1, or the members of an ensemble.
        optimizer: whatever the step keeps, tensors only.
    """

    latents: Weights
    optimizer: Any


def leaf(values: Tensor) -> Tensor:
    """A detached tensor that gradients are taken at."""
    return values.detach().requires_grad_()


__all__ = ["Draw", "Latents", "Rule", "leaf"]
