"""What several estimators share: exact draws, antithetic pairs, leaves of the mean, averages."""

import torch
from torch import Tensor

from bayesnn_spike.learn.credit import Credit
from bayesnn_spike.learn.rule import leaf
from bayesnn_spike.ops.draw import draw_signs, logistic_noise, random_bits
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


def hard(logits: Weights, stream: Stream, draws: int) -> Weights:
    """Exact draws, leaves `[draws, *shape]` of -1 and +1."""
    return {
        name: draw_signs(values, stream=stream.child(name), draws=draws)
        for name, values in logits.items()
    }


def noisy_logits(logits: Weights, stream: Stream, draws: int, tau: float) -> Weights:
    """z = (lambda + delta) / tau, leaves `[draws, *shape]`; its signs are those of `hard`."""
    z = {}
    for name, values in logits.items():
        bits = random_bits(
            tuple(values.shape), stream=stream.child(name), draws=draws, device=values.device
        )
        z[name] = (values + logistic_noise(bits, values.dtype)) / tau
    return z


def antithetic(logits: Weights, stream: Stream, pairs: int) -> Weights:
    """Exact draws in pairs, leaves `[2 pairs, *shape]`: rows 2j and 2j + 1 are one pair.

    The first of a pair is +1 where u > sigmoid(-2 lambda), the second where u < sigmoid(2 lambda),
    with one uniform u for both: the second sees 1 - u in the place of u. They agree wherever the
    weight is confident, and never where lambda is 0.
    """
    paired = {}
    for name, values in logits.items():
        one = draw_signs(values, stream=stream.child(name), draws=pairs)
        other = -draw_signs(-values, stream=stream.child(name), draws=pairs)
        paired[name] = torch.stack((one, other), 1).flatten(0, 1)
    return paired


def differences(credit: Credit, like: Tensor) -> Tensor:
    """First loss of every pair minus the second, `[pairs, 1, ...]` beside `like` `[*shape]`."""
    losses = credit.losses.view(-1, 2)
    return (losses[:, 0] - losses[:, 1]).view(-1, *([1] * like.ndim))


def means(logits: Weights, draws: int) -> Weights:
    """Leaves of mu, one for each draw, so that gradients come one a draw."""
    return {
        name: leaf(values.tanh().expand(draws, *values.shape).contiguous())
        for name, values in logits.items()
    }


def mean_gradient(logits: Weights, credit: Credit) -> Weights:
    """The mean over draws of the gradients at the leaves: the scale s is 1."""
    return {name: credit.grads[name].mean(0) for name in logits}
