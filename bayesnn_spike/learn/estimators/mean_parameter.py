"""No sampling: the network of the mean weights."""

from dataclasses import dataclass
from typing import final

from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.estimators._draws import mean_gradient
from bayesnn_spike.learn.rule import leaf
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


@final
@dataclass(frozen=True)
class MeanParameter:
    """Run the mean weights mu = tanh(lambda); no sampling.

    Source: Meng et al. 2020 (BayesBiNN, S = 0). Oracle: tests/oracles/test_estimators.py.
    """

    def draw(self, logits: Weights, stream: Stream) -> Draw:
        del stream
        weights = {name: leaf(values.tanh()[None]) for name, values in logits.items()}
        return Draw(weights, weights)

    def gradient(self, logits: Weights, draw: Draw, credit: Credit) -> Weights:
        del draw
        return mean_gradient(logits, credit)
