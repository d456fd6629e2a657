"""Straight-through: binary forward, the gradient goes to a real latent as it is."""

from dataclasses import dataclass
from typing import final

from bayesnn_spike.checks import require_positive
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.initial import Initial, Uniform, initialise
from bayesnn_spike.learn.optimizers import Adam, Optimizer
from bayesnn_spike.learn.rule import Latents
from bayesnn_spike.posterior import Point
from bayesnn_spike.posterior.bernoulli import signs
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights
from bayesnn_spike.weights import sign_leaves


@final
@dataclass(frozen=True)
class StraightThrough:
    """w = sign(v); v <- clamp(v - step(dL/dw), -limit, limit).

    Args:
        optimizer: Adam as in BayesBiNN's baseline.
        limit: latents are clamped to [-limit, limit]; None never clamps.
        initial: first latents.

    Source: BinaryConnect (Courbariaux et al. 2015) with Adam, as the baseline of BayesBiNN.
    Oracle: tests/learn/rules/test_straight_through.py.
    """

    optimizer: Optimizer = Adam(1e-2)
    limit: float | None = 1.0
    initial: Initial = Uniform(0.1)

    def __post_init__(self) -> None:
        if self.limit is not None:
            require_positive(self.limit, "StraightThrough.limit")

    def init(self, params: Weights, stream: Stream) -> Latents:
        latents = {n: p[None] for n, p in initialise(self.initial, params, stream).items()}
        return Latents(latents, self.optimizer.init(latents))

    def draw(self, state: Latents, stream: Stream) -> Draw:
        del stream
        return Draw(*sign_leaves(state.latents))

    def step(self, state: Latents, draw: Draw, credit: Credit) -> Latents:
        del draw
        latents, optimizer = self.optimizer.step(state.latents, credit.grads, state.optimizer)
        if self.limit is not None:
            latents = {n: v.clamp_(-self.limit, self.limit) for n, v in latents.items()}
        return Latents(latents, optimizer)

    def posterior(self, state: Latents) -> Point:
        return Point({n: signs(v[0]) for n, v in state.latents.items()})
