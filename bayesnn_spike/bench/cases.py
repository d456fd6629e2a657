"""The networks that are timed, with everything that their cost depends on.

Oracle: tests/bench/test_cases.py.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn

from bayesnn_spike.bench.layers import BETA, THRESHOLD, Conv, Dense, Flat, Layer, Neurons, Pool
from bayesnn_spike.neurons import LIF
from bayesnn_spike.nn import Conv2d, Flatten, Fold, Linear, Sequential
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch, Weights


@final
@dataclass(frozen=True)
class Case:
    """A network and what runs through it.

    Attributes:
        name: in the table.
        features: of the input, (N,) or (C, H, W).
        layers: input to readout; the last is Dense.
        steps: T.
        batch: B.
        density: share of inputs that spike.
        draws: the K that are timed.
        checked: so many draws are compared with the reference.
        alone: draws of the benches of single operations, which hold what they work on.
    """

    name: str
    features: tuple[int, ...]
    layers: tuple[Layer, ...]
    steps: int
    batch: int
    density: float
    draws: tuple[int, ...]
    checked: int
    alone: int

    @property
    def synapses(self) -> tuple[Dense | Conv, ...]:
        """The layers with weights."""
        return tuple(layer for layer in self.layers if isinstance(layer, Dense | Conv))

    @property
    def classes(self) -> int:
        """C."""
        return self.synapses[-1].n_out

    @property
    def weights(self) -> int:
        """Binary weights of one network."""
        return sum(math.prod(layer.shape) for layer in self.synapses)

    def sizes(self) -> dict[str, tuple[int, ...]]:
        """Features that go into every layer, by its name."""
        features, found = self.features, {}
        for layer in self.layers:
            found[layer.name] = features
            match layer:
                case Dense():
                    features = (layer.n_out,)
                case Conv():
                    features = (layer.c_out, *features[1:])
                case Pool():
                    features = (features[0], *(side // layer.side for side in features[1:]))
                case Flat():
                    features = (math.prod(features),)
        return found

    def macs(self, draws: int = 1, *layers: Dense | Conv) -> int:
        """Multiply-adds of the dense arithmetic, for all or for the named layers."""
        sizes, total = self.sizes(), 0
        for layer in layers or self.synapses:
            places = math.prod(sizes[layer.name][1:]) if isinstance(layer, Conv) else 1
            total += math.prod(layer.shape) * places
        return draws * self.steps * self.batch * total

    def network(self) -> Sequential:
        """Build our network."""
        modules: dict[str, nn.Module] = {}
        for layer in self.layers:
            match layer:
                case Dense():
                    modules[layer.name] = Linear(layer.n_in, layer.n_out, gain=layer.gain)
                case Conv():
                    modules[layer.name] = Conv2d(
                        layer.c_in,
                        layer.c_out,
                        layer.kernel,
                        padding=layer.padding,
                        gain=layer.gain,
                    )
                case Neurons():
                    modules[layer.name] = LIF(
                        beta=BETA, v_threshold=THRESHOLD, feature_dims=layer.feature_dims
                    )
                case Pool():
                    modules[layer.name] = Fold(nn.MaxPool2d(layer.side), feature_dims=3)
                case Flat():
                    modules[layer.name] = Flatten(len(self.features))
        return Sequential(**modules)

    def spikes(self, stream: Stream, features: tuple[int, ...] | None = None) -> Tensor:
        """Draw input spikes `[T, B, *features]`, float32; by default for the first layer."""
        shape = (self.steps, self.batch, *(features or self.features))
        uniform = torch.rand(shape, generator=stream.child("spikes").generator())
        return (uniform < self.density).float()

    def logits(self, stream: Stream) -> Weights:
        """Draw natural parameters, standard normal: some weights are sure, most are not."""
        return {
            f"{layer.name}.weight": torch.randn(
                layer.shape, generator=stream.child("logits", layer.name).generator()
            )
            for layer in self.synapses
        }

    def batch_of(self, stream: Stream) -> Batch:
        """Draw spikes and labels for a training step."""
        generator = stream.child("labels").generator()
        labels = torch.randint(0, self.classes, (self.batch,), generator=generator)
        return Batch(self.spikes(stream), labels)


def mlp(
    name: str,
    sizes: tuple[int, ...],
    *,
    steps: int,
    batch: int,
    density: float,
    draws: tuple[int, ...],
    checked: int,
    alone: int,
) -> Case:
    """Describe a fully connected network with the gains of `models.mlp`."""
    layers: list[Layer] = []
    last = len(sizes) - 2
    for index, (before, after) in enumerate(pairwise(sizes)):
        label = "readout" if index == last else f"layer{index}"
        layers.append(Dense(label, before, after, 2.0 if 0 < index < last else 4.0))
        if index < last:
            layers.append(Neurons(f"neurons{index}", 1))
    return Case(
        name, sizes[:1], tuple(layers), steps, batch, density, draws, checked=checked, alone=alone
    )


def conv(
    name: str,
    features: tuple[int, int, int],
    channels: tuple[int, ...],
    classes: int,
    *,
    steps: int,
    batch: int,
    density: float,
    draws: tuple[int, ...],
    checked: int,
    alone: int,
) -> Case:
    """Describe 3x3 convolutions, spikes pooled 2x2 after each, and a linear readout."""
    layers: list[Layer] = []
    side = features[1]
    for index, (before, after) in enumerate(pairwise((features[0], *channels))):
        layers.append(Conv(f"layer{index}", before, after, 3, 2.0 if index == 0 else 1.0))
        layers += [Neurons(f"neurons{index}", 3), Pool(f"pool{index}", 2)]
        side //= 2
    layers += [Flat("flat"), Dense("readout", channels[-1] * side * side, classes, 4.0)]
    return Case(
        name, features, tuple(layers), steps, batch, density, draws, checked=checked, alone=alone
    )


FULL: Mapping[str, Case] = {
    case.name: case
    for case in (
        mlp(
            "nmnist-mlp",
            (2312, 512, 512, 10),
            steps=25,
            batch=64,
            density=0.03,
            draws=(16, 64),
            checked=4,
            alone=16,
        ),
        conv(
            "gesture-conv",
            (2, 32, 32),
            (64, 128, 128),
            11,
            steps=50,
            batch=16,
            density=0.05,
            draws=(16,),
            checked=1,
            alone=1,
        ),
        mlp(
            "wide",
            (4096, 4096, 10),
            steps=16,
            batch=32,
            density=0.2,
            draws=(32,),
            checked=1,
            alone=4,
        ),
    )
}

_SMALL = {"steps": 5, "batch": 4, "checked": 2, "alone": 2}
QUICK: Mapping[str, Case] = {
    case.name: case
    for case in (
        mlp("nmnist-mlp", (130, 64, 48, 10), density=0.1, draws=(3, 6), **_SMALL),
        conv("gesture-conv", (2, 8, 8), (64, 66, 24), 11, density=0.1, draws=(3,), **_SMALL),
        mlp("wide", (256, 256, 10), density=0.2, draws=(3,), **_SMALL),
    )
}
"""Small networks of the same kinds: for tests and a first look, not for numbers."""
