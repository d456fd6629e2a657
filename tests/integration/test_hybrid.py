"""Hybrid training end to end: an ANN is trained, converted, and trained on with spike times.

A tiny network in the form of VGG5 on one batch of twenty colour images of ten classes.
"""

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from bayesnn_spike.convert import Conversion, NeuronOptions, convert
from bayesnn_spike.encoding import Direct
from bayesnn_spike.learn import SummedCrossEntropy, learner
from bayesnn_spike.learn.initial import Given
from bayesnn_spike.learn.optimizers import Adam
from bayesnn_spike.learn.rules import Gradient
from bayesnn_spike.models.ann import FanIn
from bayesnn_spike.models.vgg import VggForm, vgg
from bayesnn_spike.neurons import Delayed, SpikeTime
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch

FORM = VggForm(((8,), (16, 16)), last_pool=True, hidden=(32,))
STEPS = 32
LABELS = torch.arange(20) % 10
LOSS = SummedCrossEntropy()


def images() -> Tensor:
    """A colour pattern a class, a third of every image is noise."""
    random = Stream(7).child("images").generator()
    patterns = torch.rand(10, 3, 12, 12, generator=random)[LABELS]
    return (patterns + 0.5 * torch.rand(20, 3, 12, 12, generator=random)) / 1.5


def ann(steps: int) -> nn.Module:
    """A network after so many steps of ordinary training."""
    network = vgg(
        FORM,
        10,
        stream=Stream(0),
        shape=(3, 12, 12),
        dropout=0.0,
        dropout_fc=0.0,
        init=FanIn(head_gain=0.5),
    )
    optimizer = torch.optim.Adam(network.train().parameters(), lr=2e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        functional.cross_entropy(network(images()), LABELS).backward()
        optimizer.step()
    return network.eval()


def converted(network: nn.Module) -> Conversion:
    """The paper's neurons: spikes of the membrane before, surrogate by the time of the spike."""
    options = NeuronOptions(order=Delayed(), surrogate=SpikeTime(0.3, 0.01))
    return convert(network, images(), encoder=Direct(STEPS), neuron=options)


def first_loss(network: nn.Module) -> float:
    with torch.no_grad():
        readout, _ = converted(network).network(Direct(STEPS).encode(images()))
    return float(LOSS(readout, LABELS))


def test_a_converted_start_is_far_better_than_a_random_one() -> None:
    """Before the first step of spike-based training, where log 10 is chance."""
    random, trained = first_loss(ann(0)), first_loss(ann(80))
    assert random > 2.0
    assert trained < 0.1 * random


def test_spike_time_training_fits_one_batch() -> None:
    """From an ANN that is trained by half: less than two thirds right at first, then all."""
    made, batch = converted(ann(12)).network, Batch(Direct(STEPS).encode(images()), LABELS)
    learn = learner(Gradient(Adam(1e-3), Given()), made, LOSS)
    state, losses = learn.init(Stream(3)), []
    for _ in range(60):
        state, info = learn.update(state, batch)
        losses.append(float(info.loss))
    right = []
    for weights in (dict(made.named_parameters()), learn.posterior(state).weights):
        with torch.no_grad():
            readout, _ = functional_call(made, weights, (batch.spikes,))
        right.append(float((readout.sum(0).argmax(1) == LABELS).double().mean()))
    assert right[0] < 0.65
    assert right[1] == 1.0
    assert losses[-1] < 0.3 * losses[0]
