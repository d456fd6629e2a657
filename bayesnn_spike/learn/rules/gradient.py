"""Real weights by plain gradient descent: the full-precision baseline."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import final

from bayesnn_spike.checks import require_positive
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.initial import Initial, Normal, initialise
from bayesnn_spike.learn.optimizers import Adam, Decayed, Optimizer, clip_norm
from bayesnn_spike.learn.rule import Latents, leaf
from bayesnn_spike.posterior import Point
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


@final
@dataclass(frozen=True)
class Gradient:
    """w <- w - step(g), real weights.

    Args:
        optimizer: one of `learn/optimizers.py`, with weight decay in `Decayed`.
        initial: first weights; normal of deviation 1, since layers scale by 1/sqrt(fan_in).
        bounds: (shell pattern, least, most) of parameters that are brought back after each step, in
            order: learned leaks `("*.leak", 0.0, 1.0)`, thresholds `("*.v_threshold", 1e-3, inf)`.
        clip: largest norm of a member's gradient, over all parameters of this rule together; None
            is none.

    Raises:
        ValueError: a largest norm that is not positive.

    Oracle: tests/learn/rules/test_gradient.py.
    """

    optimizer: Optimizer | Decayed = Adam(1e-3)
    initial: Initial = Normal(1.0)
    bounds: tuple[tuple[str, float, float], ...] = ()
    clip: float | None = None

    def __post_init__(self) -> None:
        if self.clip is not None:
            require_positive(self.clip, "Gradient.clip")

    def init(self, params: Weights, stream: Stream) -> Latents:
        latents = {n: p[None] for n, p in initialise(self.initial, params, stream).items()}
        return Latents(latents, self.optimizer.init(latents))

    def draw(self, state: Latents, stream: Stream) -> Draw:
        del stream
        weights = {n: leaf(p) for n, p in state.latents.items()}
        return Draw(weights, weights)

    def step(self, state: Latents, draw: Draw, credit: Credit) -> Latents:
        del draw
        grads = credit.grads if self.clip is None else clip_norm(credit.grads, self.clip)
        latents, optimizer = self.optimizer.step(state.latents, grads, state.optimizer)
        for pattern, least, most in self.bounds:
            latents = {
                n: p.clamp(least, most) if fnmatchcase(n, pattern) else p
                for n, p in latents.items()
            }
        return Latents(latents, optimizer)

    def posterior(self, state: Latents) -> Point:
        return Point({n: p[0].clone() for n, p in state.latents.items()})
