"""ST-BiSNN: straight-through as the BiSNN paper's code runs it."""

from dataclasses import dataclass
from typing import final

from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.initial import CoinFlip, Initial
from bayesnn_spike.learn.optimizers import Sgd
from bayesnn_spike.learn.rule import Latents
from bayesnn_spike.learn.rules.straight_through import StraightThrough
from bayesnn_spike.learn.schedule import Schedule
from bayesnn_spike.posterior import Point
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


@final
@dataclass(frozen=True)
class StBiSNN:
    """v <- v - lr dL/dw at w = sign(v): no clamp, no gate, no momentum, latents start at +-10.

    Large step sizes are natural: only the sign of v matters, so step size and first magnitude are
    one hyper-parameter, their ratio. Published with `horizon=1` and local losses; any credit works.

    Args:
        lr: step size or schedule (750 for two moons, 500 for MNIST-DVS in the released code).
        initial: first latents; CoinFlip(10) for the fully connected, CoinFlip(5) for the LeNet.

    Source: kclip/BayesBiSNN optimizer/STBiSNN.py (formula only).
    Oracle: tests/learn/rules/test_st_bisnn.py.
    """

    lr: "float | Schedule" = 750.0
    initial: Initial = CoinFlip(10.0)

    @property
    def _rule(self) -> StraightThrough:
        return StraightThrough(Sgd(self.lr), limit=None, initial=self.initial)

    def init(self, params: Weights, stream: Stream) -> Latents:
        return self._rule.init(params, stream)

    def draw(self, state: Latents, stream: Stream) -> Draw:
        return self._rule.draw(state, stream)

    def step(self, state: Latents, draw: Draw, credit: Credit) -> Latents:
        return self._rule.step(state, draw, credit)

    def posterior(self, state: Latents) -> Point:
        return self._rule.posterior(state)
