"""Real weights by plain gradient descent: the full-precision baseline."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import final

from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.initial import Initial, Normal, initialise
from bayesnn_spike.learn.optimizers import Adam, Optimizer
from bayesnn_spike.learn.rule import Latents, leaf
from bayesnn_spike.posterior import Point
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


@final
@dataclass(frozen=True)
class Gradient:
    """w <- w - step(g), real weights.

    Args:
        optimizer: Sgd, Momentum or Adam.
        initial: first weights; normal of deviation 1, since layers scale by 1/sqrt(fan_in).
        bounds: (shell pattern, least, most) of parameters that are brought back after each step, in
            order: learned leaks `("*.leak", 0.0, 1.0)`, thresholds `("*.v_threshold", 1e-3, inf)`.

    Oracle: tests/learn/rules/test_gradient.py.
    """

    optimizer: Optimizer = Adam(1e-3)
    initial: Initial = Normal(1.0)
    bounds: tuple[tuple[str, float, float], ...] = ()

    def init(self, params: Weights, stream: Stream) -> Latents:
        latents = {n: p[None] for n, p in initialise(self.initial, params, stream).items()}
        return Latents(latents, self.optimizer.init(latents))

    def draw(self, state: Latents, stream: Stream) -> Draw:
        del stream
        weights = {n: leaf(p) for n, p in state.latents.items()}
        return Draw(weights, weights)

    def step(self, state: Latents, draw: Draw, credit: Credit) -> Latents:
        del draw
        latents, optimizer = self.optimizer.step(state.latents, credit.grads, state.optimizer)
        for pattern, least, most in self.bounds:
            latents = {
                n: p.clamp(least, most) if fnmatchcase(n, pattern) else p
                for n, p in latents.items()
            }
        return Latents(latents, optimizer)

    def posterior(self, state: Latents) -> Point:
        return Point({n: p[0].clone() for n, p in state.latents.items()})
