"""Train a converted network, or one from random weights, through time."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bayesnn_spike.encoding import direct
from bayesnn_spike.events.datasets.image_augment import Augment
from bayesnn_spike.events.datasets.image_batch import batches
from bayesnn_spike.events.datasets.still import ImageSet
from bayesnn_spike.learn import Cosine, SummedCrossEntropy, learner
from bayesnn_spike.learn.initial import Given
from bayesnn_spike.learn.optimizers import Adam
from bayesnn_spike.learn.rule import Rule
from bayesnn_spike.learn.rules import Gradient
from bayesnn_spike.nn import Graph
from bayesnn_spike.nn.evaluating import evaluating
from bayesnn_spike.posterior import AbstractPosterior
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch, Weights

Log = Callable[[int, float, AbstractPosterior], None]
"""Gets the number of updates, the mean loss since it was called last, and the posterior."""
IMAGES_A_PASS = 20_000
"""One epoch of the spiking networks: so many images, not all 55,000."""


@dataclass(frozen=True)
class SnnRecipe:
    """Adam with a cosine to zero on the cross-entropy of the summed readout, direct input.

    Attributes:
        steps: time steps T.
        epochs: passes of 20,000 images.
        lr: first step size.
        batch: images a step.
    """

    steps: int
    epochs: float
    lr: float = 1e-4
    batch: int = 64

    @property
    def updates(self) -> int:
        """Steps of the optimiser."""
        return math.ceil(self.epochs * IMAGES_A_PASS / self.batch)


def train(
    network: Graph,
    data: ImageSet,
    recipe: SnnRecipe,
    augment: Augment,
    stream: Stream,
    log: Log,
    gain: float = 1.0,
) -> None:
    """Train the real weights of a spiking network in place; arguments as of `learn`."""
    rule = Gradient(Adam(Cosine(recipe.lr, recipe.updates)), Given())
    put(network, learn(rule, network, None, data, recipe, augment, stream, log, gain))
    network.eval()


def learn(
    rule: Rule,
    network: Graph,
    params: Weights | None,
    data: ImageSet,
    recipe: SnnRecipe,
    augment: Augment,
    stream: Stream,
    log: Log,
    gain: float = 1.0,
) -> AbstractPosterior:
    """Learn a spiking network by a rule and return its posterior.

    Args:
        rule: of all parameters.
        network: a converted network.
        params: first values of the parameters; None are the network's own.
        data: trained on its split `train`.
        recipe: how long, and with how many steps; the rule has its own step sizes.
        augment: of training images.
        stream: of this training.
        log: called at every 100th update and at the last one.
        gain: of the logits, on the readout summed over the steps.
    """
    learning = learner(rule, network, SummedCrossEntropy(gain))
    network.train()
    state = learning.init(stream.child("learn"), params)
    done, losses, epoch = 0, [], 0
    while done < recipe.updates:
        own = stream.child("epoch", epoch)
        for images, labels in batches(data, "train", recipe.batch, stream=own, augment=augment):
            state, info = learning.update(state, Batch(direct(images, recipe.steps), labels))
            losses.append(float(info.loss))
            done += 1
            if done % 100 == 0 or done == recipe.updates:
                log(done, sum(losses) / len(losses), learning.posterior(state))
                losses.clear()
            if done == recipe.updates:
                break
        epoch += 1
    return learning.posterior(state)


@torch.no_grad()
def put(network: nn.Module, posterior: AbstractPosterior) -> None:
    """Write a posterior's most probable weights into a network's parameters."""
    weights = posterior.mode()
    for name, parameter in network.named_parameters():
        parameter.copy_(weights[name][0])


@torch.no_grad()
def summed(network: Graph, images: Tensor, steps: int, batch: int = 100) -> Tensor:
    """The readout summed over the steps, `[N, C]`."""
    with evaluating(network):
        parts = [network(direct(some, steps))[0].sum(0) for some in images.split(batch)]
    return torch.cat(parts)
