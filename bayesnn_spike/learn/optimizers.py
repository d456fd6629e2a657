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


class AmsGradState(NamedTuple):
    """As `AdamState`, and the largest mean square so far."""

    count: Tensor
    mean: Weights
    square: Weights
    largest: Weights


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
        _require_adam(self)

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


@final
@dataclass(frozen=True)
class HeavyBall:
    """m <- b m + g, x <- x - lr m: the momentum of `torch.optim.SGD`.

    Args:
        lr: step size or schedule.
        beta: decay of m.
        nesterov: step along g + b m instead.
    """

    lr: "float | Schedule"
    beta: float = 0.9
    nesterov: bool = False

    def __post_init__(self) -> None:
        as_schedule(self.lr)
        require_decay(self.beta, "HeavyBall.beta")

    def init(self, params: Weights) -> MomentumState:
        return Momentum(self.lr, self.beta).init(params)

    def step(
        self, params: Weights, grads: Weights, state: MomentumState
    ) -> tuple[Weights, MomentumState]:
        lr = as_schedule(self.lr)(int(state.count))
        mean = {n: torch.add(grads[n], m, alpha=self.beta) for n, m in state.mean.items()}
        along = mean
        if self.nesterov:
            along = {n: torch.add(grads[n], m, alpha=self.beta) for n, m in mean.items()}
        moved = {n: torch.add(p, along[n], alpha=-lr) for n, p in params.items()}
        return moved, MomentumState(state.count + 1, mean)


@final
@dataclass(frozen=True)
class AmsGrad:
    """Adam divided by the root of the largest mean square so far (Reddi et al. 2018).

    Args:
        lr, beta1, beta2, eps: as of `Adam`.
    """

    lr: "float | Schedule"
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        _require_adam(self)

    def init(self, params: Weights) -> AmsGradState:
        zeros = ({n: torch.zeros_like(p) for n, p in params.items()} for _ in range(3))
        return AmsGradState(_zero(), *zeros)

    def step(
        self, params: Weights, grads: Weights, state: AmsGradState
    ) -> tuple[Weights, AmsGradState]:
        lr, count = as_schedule(self.lr)(int(state.count)), int(state.count) + 1
        mean = {n: torch.lerp(grads[n], m, self.beta1) for n, m in state.mean.items()}
        square = {n: torch.lerp(grads[n] ** 2, s, self.beta2) for n, s in state.square.items()}
        largest = {n: torch.maximum(m, square[n]) for n, m in state.largest.items()}
        root, rate = (1 - self.beta2**count) ** 0.5, lr / (1 - self.beta1**count)
        moved = {
            n: torch.addcdiv(p, mean[n], largest[n].sqrt() / root + self.eps, value=-rate)
            for n, p in params.items()
        }
        return moved, AmsGradState(state.count + 1, mean, square, largest)


Optimizer = Sgd | Momentum | Adam | HeavyBall | AmsGrad


@final
@dataclass(frozen=True)
class Decayed:
    """Another optimizer whose parameters decay: g + d x in place of g, or x (1 - lr d) before it.

    Args:
        optimizer: which steps.
        decay: d.
        decoupled: the second, which is AdamW around `Adam` (Loshchilov and Hutter 2019). The first
            is the `weight_decay` of `torch.optim`.
    """

    optimizer: Optimizer
    decay: float
    decoupled: bool = False

    def __post_init__(self) -> None:
        require_positive(self.decay, "Decayed.decay")

    def init(self, params: Weights) -> NamedTuple:
        return self.optimizer.init(params)

    def step(
        self, params: Weights, grads: Weights, state: NamedTuple
    ) -> tuple[Weights, NamedTuple]:
        if self.decoupled:
            lr = as_schedule(self.optimizer.lr)(int(state.count))
            params = {n: p * (1 - lr * self.decay) for n, p in params.items()}
        else:
            grads = {n: torch.add(g, params[n], alpha=self.decay) for n, g in grads.items()}
        return self.optimizer.step(params, grads, state)


def clip_norm(grads: Weights, largest: float) -> Weights:
    """Shrink the gradient of each draw to a norm of at most `largest`, over all leaves together.

    Args:
        grads: leaves `[K, *shape]`.
        largest: the norm, as of `torch.nn.utils.clip_grad_norm_`.

    Oracle: tests/learn/test_optimizers.py.
    """
    squares = [g.reshape(len(g), -1).square().sum(1) for g in grads.values()]
    norm = torch.stack(squares).sum(0).sqrt()
    # As in torch: a little less than `largest`, and no division by zero.
    factor = (largest / (norm + 1e-6)).clamp(max=1.0)
    return {n: g * factor.view(-1, *[1] * (g.ndim - 1)) for n, g in grads.items()}


def _require_adam(optimizer: Adam | AmsGrad) -> None:
    name = type(optimizer).__name__
    as_schedule(optimizer.lr)
    require_decay(optimizer.beta1, f"{name}.beta1")
    require_decay(optimizer.beta2, f"{name}.beta2")
    require_positive(optimizer.eps, f"{name}.eps")


def _zero() -> Tensor:
    return torch.zeros((), dtype=torch.int64)
