"""What all stages of a run share, and the first of them: the ANN."""

import time
from dataclasses import dataclass
from pathlib import Path

import ann as training
import numpy as np
import torch
from kept import Run, keep_labels, say
from safetensors.torch import load_file
from torch import Tensor, nn

from bayesnn_spike.events.datasets.image_augment import Augment
from bayesnn_spike.events.datasets.still import ImageSet, load_still
from bayesnn_spike.models.ann import FanIn
from bayesnn_spike.models.small import small_resnet, small_vgg
from bayesnn_spike.models.vgg import VggForm, vgg
from bayesnn_spike.rng import Stream

REDUCED_VGG = VggForm(((32,), (64, 64), (128,)), last_pool=True, hidden=(256,))
"""For 32 x 32 colour images: 656,736 weights, 20 million multiply-adds."""
HELD_OUT = 5000
MIXED = ("mnist", "fashion-mnist")
"""Their files have the classes in a mixed order, that of CIFAR-10 as JPEG is sorted by class."""
EPOCHS = {"mnist": 4, "fashion-mnist": 12, "cifar10-jpeg": 15}
AUGMENT = {
    "mnist": Augment(shift=2),
    "fashion-mnist": Augment(shift=2, flip=True),
    "cifar10-jpeg": Augment(shift=3, flip=True),
}
LATER = {
    "mnist": Augment(),
    "fashion-mnist": Augment(flip=True),
    "cifar10-jpeg": Augment(flip=True),
}
"""Once there is time: trained on for so short that shifts cost accuracy (91.6 against 91.8 % held
out, three passes on Fashion-MNIST)."""


@dataclass(frozen=True)
class Setting:
    """What all stages of a run share.

    Attributes:
        data: the images; 5,000 of the official training images are held out in `val`.
        stream: of the run.
        augment: of the ANN's training images.
        later: of the spiking network's.
    """

    data: ImageSet
    stream: Stream
    augment: Augment
    later: Augment

    @classmethod
    def load(cls, run: Run, root: Path) -> "Setting":
        """Read the data set of a run."""
        data = load_still(
            run.data, root=root / run.data.replace("-", "_"), seed=0, val_size=HELD_OUT
        )
        keep_labels(run, data.labels[torch.from_numpy(data.splits["test"].indices.copy())])
        stream = Stream(run.seed).child("hybrid conversion", run.data, run.network)
        return cls(data, stream, AUGMENT[run.data], LATER[run.data])

    def split(self, name: str, limit: int | None = None) -> tuple[Tensor, Tensor]:
        """Return images and labels of a split, or some: its first ones, or from all classes.

        A file that is sorted by class would give thresholds, and choices, of one class.
        """
        rows = self.data.splits[name].indices
        if limit is not None and self.data.name in MIXED:
            rows = rows[:limit]
        elif limit is not None:
            rows = rows[np.arange(limit) * len(rows) // limit]
        batch = self.data.batch(rows)
        return batch.images, batch.labels


def network(run: Run, setting: Setting) -> nn.Module:
    """Return the ANN of a run with its first weights."""
    stream = setting.stream.child("ann")
    if run.network == "resnet":
        return small_resnet(stream=stream, shape=setting.data.shape)
    if setting.data.shape == (1, 28, 28):
        return small_vgg(stream=stream)
    shape, init = setting.data.shape, FanIn(head_gain=0.5)
    return vgg(REDUCED_VGG, stream=stream, shape=shape, dropout=0.2, dropout_fc=0.5, init=init)


def trained(run: Run, setting: Setting) -> nn.Module:
    """Return the trained ANN of a run."""
    net = network(run, setting)
    net.load_state_dict(load_file(run.weights("ann")))
    return net.eval()


def train_ann(run: Run, setting: Setting) -> None:
    """Train the ANN and keep its weights and its row."""
    if run.has("ann", 0):
        return
    net, started = network(run, setting), time.perf_counter()
    images, labels = setting.split("val")

    def log(epoch: int, loss: float) -> None:
        right = (training.logits(net, images).argmax(1) == labels).float().mean()
        took = time.perf_counter() - started
        say(f"  epoch {epoch}: loss {loss:.4f}, held out {right:.2%}, {took:.0f} s")

    recipe = training.AnnRecipe(EPOCHS[run.data])
    training.train(net, setting.data, recipe, setting.augment, setting.stream.child("train"), log)
    seconds = time.perf_counter() - started
    run.keep_weights("ann", net)
    run.keep("ann", 0, training.logits(net, setting.split("test")[0]), seconds=seconds)
