"""Steps along a gradient, as values and pure functions: state in, state out.

`torch.optim` keeps parameters and state in objects and changes them in place; here `update` has to
be a function of its arguments, so that a run can be resumed bit for bit and a step can be replayed.
Oracle: tests/learn/test_optimizers.py (against torch.optim).
"""

from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from bayesnn_spike.checks import require_decay, require_positive
from bayesnn_spike.learn.schedule import Schedule, as_schedule
from bayesnn_spike.ops.adam import Step, adam
from bayesnn_spike.types import Weights


class SgdState(NamedTuple):
    """Steps taken, an int64 scalar."""

    count: Tensor


class MomentumState(NamedTuple):
    """Steps taken and the running mean of gradients."""

    count: Tensor
    mean: Weights


class AdamState(NamedTuple):
    """Steps taken, running means of gradients and of their squares."""

    count: Tensor
    mean: Weights
    square: Weights


@final
@dataclass(frozen=True)
class Sgd:
    """x <- x - lr g."""

    lr: "float | Schedule"

    def __post_init__(self) -> None:
        as_schedule(self.lr)

    def init(self, params: Weights) -> SgdState:
        del params
        return SgdState(_zero())

    def step(self, params: Weights, grads: Weights, state: SgdState) -> tuple[Weights, SgdState]:
        lr = as_schedule(self.lr)(int(state.count))
        moved = {name: torch.add(p, grads[name], alpha=-lr) for name, p in params.items()}
        return moved, SgdState(state.count + 1)


@final
@dataclass(frozen=True)
class Momentum:
    """m <- b m + (1 - b) g, x <- x - lr m / (1 - b^t): the published step of BayesBiNN."""

    lr: "float | Schedule"
    beta: float = 0.9

    def __post_init__(self) -> None:
        as_schedule(self.lr)
        require_decay(self.beta, "Momentum.beta")

    def init(self, params: Weights) -> MomentumState:
        return MomentumState(_zero(), {n: torch.zeros_like(p) for n, p in params.items()})

    def step(
        self, params: Weights, grads: Weights, state: MomentumState
    ) -> tuple[Weights, MomentumState]:
        lr = as_schedule(self.lr)(int(state.count))
        correction = 1 - self.beta ** (int(state.count) + 1)
        mean = {n: torch.lerp(grads[n], m, self.beta) for n, m in state.mean.items()}
        moved = {n: torch.add(p, mean[n], alpha=-lr / correction) for n, p in params.items()}
        return moved, MomentumState(state.count + 1, mean)


@final
@dataclass(frozen=True)
class Adam:
    """Adam with bias correction (Kingma and Ba 2015).

    Args:
        lr: step size or schedule.
        beta1: decay of the mean.
        beta2: decay of the mean square.
        eps: added to the root of the mean square.
    """

    lr: "float | Schedule"
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        as_schedule(self.lr)
        require_decay(self.beta1, "Adam.beta1")
        require_decay(self.beta2, "Adam.beta2")
        require_positive(self.eps, "Adam.eps")

    def init(self, params: Weights) -> AdamState:
        zeros = {n: torch.zeros_like(p) for n, p in params.items()}
        return AdamState(_zero(), zeros, {n: torch.zeros_like(p) for n, p in params.items()})

    def step(self, params: Weights, grads: Weights, state: AdamState) -> tuple[Weights, AdamState]:
        lr = as_schedule(self.lr)(int(state.count))
        step = Step(lr, self.beta1, self.beta2, self.eps, int(state.count) + 1)
        after = {
            n: adam(p, grads[n], state.mean[n], state.square[n], step) for n, p in params.items()
        }
        moved, mean, square = ({n: found[i] for n, found in after.items()} for i in range(3))
        return moved, AdamState(state.count + 1, mean, square)


Optimizer = Sgd | Momentum | Adam


def _zero() -> Tensor:
    return torch.zeros((), dtype=torch.int64)
