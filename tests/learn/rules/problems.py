"""Loss functions of the weights alone, as networks: the analytic problems of the specification.

A problem is a module with one parameter `w [d]`; its output is the loss of every draw, so that
`learner(rule, problem, outputs_are_losses)` minimises it.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bayesnn_spike.types import Batch

BATCH = Batch(torch.zeros(1, 1, 1), torch.zeros(1, dtype=torch.int64))


class Problem(nn.Module):
    """A loss `[K, d] -> [K]` of weights in float64."""

    def __init__(self, d: int, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(d, dtype=torch.float64))
        self.function = function

    def forward(self, x: Tensor, state: None = None) -> tuple[Tensor, None]:
        return self.function(self.w), None


def outputs_are_losses(losses: Tensor, labels: Tensor) -> Tensor:
    """The loss of a problem."""
    return losses


def linear(c: list[float]) -> Problem:
    """L(w) = c.w"""
    costs = torch.tensor(c, dtype=torch.float64)
    return Problem(len(c), lambda w: w @ costs)
