"""A problem small enough to run all of its networks, on which posteriors can be compared.

Three inputs fire at rates of their own for each example; three hidden LIF neurons and two readouts
have 15 binary weights: 32,768 networks. Labels are drawn from the softmax of one of them, drawn
from the prior: the model is right, and the exact posterior is what every other one should be.

Hidden units can change places without changing the network. Under fair coins every marginal is
therefore near one half, whatever the data say, and what a mean field that has settled for one
order says of them is no error. Under a prior that leans, each weight its own way, marginals count.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from bayesnn_spike.learn import RateCrossEntropy, Temperature
from bayesnn_spike.learn.target import Target
from bayesnn_spike.models import mlp
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch, Weights
from bayesnn_spike.weights import dense

INPUTS, HIDDEN, CLASSES, STEPS = 3, 3, 2, 10
LEAN = 0.7
"""Deviation of the logits of a prior that leans."""
TRAIN, TEST = 60, 2000


@dataclass(frozen=True, eq=False)
class Problem:
    """Data from a known binary network.

    Attributes:
        network: the architecture.
        prior: logits by name; zeros are fair coins.
        truth: the weights that the labels come from, leaves `[1, *shape]`.
        train, test: data.
        temperature: of the Bayes posterior.
    """

    network: nn.Module
    prior: Bernoulli
    truth: Weights
    train: Batch
    test: Batch
    temperature: Temperature

    def target(self, *, draws_at_once: int = 1024) -> Target:
        """Return what the posteriors are proportional to."""
        return Target(
            self.network,
            RateCrossEntropy(),
            self.train,
            self.temperature,
            self.prior,
            draws_at_once=draws_at_once,
        )


def problem(
    seed: int, *, lean: float = LEAN, hidden: int = HIDDEN, examples: int = TRAIN
) -> Problem:
    """Draw a problem.

    Args:
        seed: of the prior, the true network, the inputs and the labels.
        lean: deviation of the prior's logits; 0 is fair coins.
        hidden: units of the network that is learned and of the one that is true.
        examples: to learn from.
    """
    stream = Stream(seed).child("posteriors")
    # The readout's gain is such that the truth is sure of some labels and not of others.
    network = mlp(INPUTS, (hidden,), CLASSES, gain_in=2.0, gain_out=6.0)
    noise = stream.child("prior").generator()
    prior = Bernoulli(
        {
            name: lean * torch.randn(p.shape, generator=noise)
            for name, p in network.named_parameters()
        }
    )
    truth = {n: dense(w) for n, w in prior.sample(1, stream.child("truth")).items()}
    data = [
        _label(network, truth, _spikes(count, stream.child(name)), stream.child(name, "labels"))
        for name, count in (("train", examples), ("test", TEST))
    ]
    return Problem(network, prior, truth, data[0], data[1], Temperature(examples))


def _spikes(count: int, stream: Stream) -> Tensor:
    """`[T, B, N]`: each input of each example fires at a rate of its own."""
    noise = stream.generator()
    rates = torch.rand(count, INPUTS, generator=noise)
    return (torch.rand(STEPS, count, INPUTS, generator=noise) < rates).float()


@torch.no_grad()
def _label(network: nn.Module, truth: Weights, spikes: Tensor, stream: Stream) -> Batch:
    readout, _ = functional_call(network, truth, (spikes,))
    chances = readout.mean(-3)[0].softmax(-1)
    labels = torch.multinomial(chances, 1, generator=stream.generator())[:, 0]
    return Batch(spikes, labels)
