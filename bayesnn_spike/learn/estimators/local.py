"""Local reparameterisation: noise in the currents, not in the weights."""

from dataclasses import dataclass
from typing import final

from bayesnn_spike.checks import require_positive
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.estimators._draws import mean_gradient, means
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights
from bayesnn_spike.weights import LocalWeight


@final
@dataclass(frozen=True)
class LocalReparameterisation:
    """Normal currents of the exact mean and variance, one noise per example and unit.

    The spikes of a sampled current have a surrogate's slope, whose width is a choice. For one layer
    and one step from rest nothing has to be chosen, nor sampled: the expected spike is

        m = linear(x, mu)
        s = linear(x.square(), 1 - mu.square()).clamp(min=1e-12).sqrt()
        rate = firing_probability(m, s, v_threshold)        from bayesnn_spike.neurons

    in the place of the neuron (conv2d likewise; gains multiply m and s; the clamp is for silent
    inputs, where a root has no slope). Its gradient is exact: in m it is that of the surrogate
    `Gaussian(s)` at m - v_threshold, s each current's own deviation, and s has a slope too. Later
    steps share the noise, and later layers see rates in the place of spikes: a whole network made
    of it is a mean-field approximation, and not this estimator.

    Args:
        draws: K.

    Source: Kingma et al. 2015; Peters and Welling 2018 for binary weights.
    Oracle: tests/oracles/test_estimators.py, tests/learn/estimators/test_local.py (one layer).
    """

    draws: int = 1

    def __post_init__(self) -> None:
        require_positive(self.draws, "draws")

    def draw(self, logits: Weights, stream: Stream) -> Draw:
        leaves = means(logits, self.draws)
        weights = {
            name: LocalWeight(mean, stream.child(name, "local")) for name, mean in leaves.items()
        }
        return Draw(weights, leaves)

    def gradient(self, logits: Weights, draw: Draw, credit: Credit) -> Weights:
        del draw
        return mean_gradient(logits, credit)
