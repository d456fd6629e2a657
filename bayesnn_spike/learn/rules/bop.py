"""Bop: flip a weight when the running mean of its gradient insists."""

from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from bayesnn_spike.checks import require_interval
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.initial import CoinFlip, initialise
from bayesnn_spike.learn.schedule import Schedule, as_schedule
from bayesnn_spike.posterior import Point
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights
from bayesnn_spike.weights import sign_leaves


class BopState(NamedTuple):
    """Weights in {-1, +1} and running means of gradients, leaves `[n, *shape]`; steps taken."""

    weights: Weights
    mean: Weights
    count: Tensor


@final
@dataclass(frozen=True)
class Bop:
    """m <- (1 - rate) m + rate g; w <- -w where |m| > threshold and sign(m) = sign(w).

    Args:
        rate: of the running mean, a number or a schedule.
        threshold: how large the mean must be for a flip; 0 makes w = -sign(m).

    Source: Helwegen et al. 2019, algorithm 1. With threshold 0 it is the saturated limit of
    BayesBiNN. Oracle: tests/learn/rules/test_bop.py.
    """

    rate: "float | Schedule" = 1e-3
    threshold: float = 1e-6

    def __post_init__(self) -> None:
        require_interval(as_schedule(self.rate)(0), "Bop.rate", 0.0, 1.0)
        if not self.threshold >= 0:
            raise ValueError(f"Bop.threshold must be at least 0, got {self.threshold!r}")

    def init(self, params: Weights, stream: Stream) -> BopState:
        start = initialise(CoinFlip(1.0), params, stream)
        weights = {n: w[None] for n, w in start.items()}
        mean = {n: torch.zeros_like(w) for n, w in weights.items()}
        return BopState(weights, mean, torch.zeros((), dtype=torch.int64))

    def draw(self, state: BopState, stream: Stream) -> Draw:
        del stream
        return Draw(*sign_leaves(state.weights))

    def step(self, state: BopState, draw: Draw, credit: Credit) -> BopState:
        del draw
        rate = as_schedule(self.rate)(int(state.count))
        mean = {n: torch.lerp(m, credit.grads[n], rate) for n, m in state.mean.items()}
        weights = {}
        for n, w in state.weights.items():
            flip = (mean[n].abs() > self.threshold) & (mean[n] * w > 0)
            weights[n] = torch.where(flip, -w, w)
        return BopState(weights, mean, state.count + 1)

    def posterior(self, state: BopState) -> Point:
        return Point({n: w[0].clone() for n, w in state.weights.items()})
