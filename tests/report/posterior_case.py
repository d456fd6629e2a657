"""A network with ten binary weights and twelve examples, of which everything can be summed."""

import torch
from torch import Tensor
from torch.func import functional_call

from bayesnn_spike.learn import RateCrossEntropy, Temperature
from bayesnn_spike.learn.target import Target
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.posterior.flat import unflatten
from bayesnn_spike.types import Batch
from tests.ops import cases
from tests.oracles import enumeration

EXAMPLES, TEMPERING = 12, 0.5
LOGITS = 0.4  # of the prior: not fair coins, so that it counts


def target(loss=RateCrossEntropy(), *, steps: int = 6, tempering: float = TEMPERING) -> Target:
    spikes = cases.spikes(steps, EXAMPLES, 3, seed=11, rate=0.5, dtype=torch.float64)
    labels = torch.tensor([0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 1])
    network = enumeration.small_network()
    shapes = {n: p.shape for n, p in network.named_parameters()}
    prior = Bernoulli({n: torch.full(s, LOGITS) for n, s in shapes.items()})
    scored = loss.scored_steps(steps)
    temperature = Temperature(EXAMPLES, scored_steps=scored, tempering=tempering)
    return Target(network, loss, Batch(spikes, labels), temperature, prior=prior)


def all_weights(one: Target) -> dict[str, Tensor]:
    return unflatten(enumeration.sign_table(one.size), one.shapes)


def all_likelihoods(one: Target) -> Tensor:
    """ln p(y_i | w) of the rate's softmax for every network, `[2^d, N]`."""
    outputs, _ = functional_call(one.network, all_weights(one), (one.batch.spikes,))
    logs = outputs.detach().mean(1).log_softmax(-1)
    return logs[:, torch.arange(EXAMPLES), one.batch.labels]


def exact(one: Target) -> Tensor:
    """The posterior of every network, `[2^d]`."""
    return one.log_prob(all_weights(one)).softmax(0)


def mean_field(one: Target, scale: float = 0.8) -> Bernoulli:
    """A Bernoulli near the posterior's marginals, a little wider than they are."""
    means = exact(one) @ enumeration.sign_table(one.size)
    logits = unflatten(scale * means.clamp(-0.99, 0.99).atanh()[None], one.shapes)
    return Bernoulli({name: values[0] for name, values in logits.items()})
