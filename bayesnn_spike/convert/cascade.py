"""A converted chain, run by its spikes: the same network, without a tensor of currents in between.

Sums are in another order than those of the module, so that a membrane that meets its threshold
within rounding may fire a step earlier or later. Oracle: tests/convert/test_cascade.py.
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import torch
from torch import Tensor, nn

from bayesnn_spike.encoding import Direct, SignedRate
from bayesnn_spike.neurons import AtOrAbove, Delayed, ThresholdNeuron
from bayesnn_spike.nn import Conv2d, Dropout, Flatten, Fold, Graph, Linear
from bayesnn_spike.ops import wanted

STEPS = 16
"""Steps at a time."""


@final
@dataclass(frozen=True, eq=False)
class Cascade:
    """A chain of layers of neurons and a readout, ready to run.

    Attributes:
        first: the layers that the input goes through, up to the first current.
        layers: of neurons by name, from the first on.
        readout: the layer without neurons.
    """

    first: tuple[nn.Module, ...]
    layers: dict[str, Any]
    readout: Any

    def run(
        self, images: Tensor, encoder: Direct | SignedRate, steps: int, first_example: int = 0
    ) -> Iterator[Tensor]:
        """Yield the readout `[t, B, C]` of chunks of steps; see `convert.running.run`."""
        from bayesnn_spike.ops.cascade import read_out

        for trains in self._trains(images, encoder, steps, first_example):
            yield read_out(self.readout, trains[-1])

    def counts(
        self, images: Tensor, encoder: Direct | SignedRate, steps: int, first_example: int = 0
    ) -> dict[str, Tensor]:
        """Return how often every neuron fires, `[B, *features]` by the layer's name."""
        found: dict[str, Tensor] = {}
        for trains in self._trains(images, encoder, steps, first_example):
            for (name, layer), spikes in zip(self.layers.items(), trains, strict=True):
                counts = spikes.counts(layer.shape)
                found[name] = found[name] + counts if name in found else counts
        return found

    def _trains(
        self, images: Tensor, encoder: Direct | SignedRate, steps: int, first_example: int
    ) -> Iterator[list[Any]]:
        """Yield the spikes of all layers in chunks of steps."""
        from bayesnn_spike.ops.cascade import fire

        membranes = [layer.rest(len(images)) for layer in self.layers.values()]
        same = isinstance(encoder, Direct)
        current = self._current(encoder.encode(images, steps=1)) if same else None
        for done in range(0, steps, STEPS):
            count = min(STEPS, steps - done)
            if not same:
                x = encoder.encode(
                    images, steps=count, first_step=done, first_example=first_example
                )
                current = self._current(x)
            trains: list[Any] = []
            for layer, membrane in zip(self.layers.values(), membranes, strict=True):
                before = trains[-1] if trains else None
                given = None if trains else current
                trains.append(fire(layer, membrane, before, given, steps=count))
            yield trains

    @torch.no_grad()
    def _current(self, x: Tensor) -> Tensor:
        """Currents `[t, B, *features]` of the first layer."""
        for layer in self.first:
            x = layer(x)
        return x


def cascade(network: Graph, images: Tensor) -> Cascade | None:
    """Return a network in a form that runs by its spikes, or None where it has none.

    It has one if it is a chain of our layers on the CPU, in float32, with average pools whose
    windows do not overlap, and numba is there; `ops.only("reference")` keeps to the module. Dropout
    passes everything on, as in evaluation.

    Args:
        network: a converted network.
        images: `[n, *in]`, for its shapes.
    """
    plain = images.device.type == "cpu" and images.dtype == torch.float32
    if not plain or wanted() == "reference" or importlib.util.find_spec("numba") is None:
        return None
    chain = _chain(network)
    return None if chain is None else _assemble(chain, images)


def _chain(network: Graph) -> dict[str, nn.Module] | None:
    """The layers in order, if each reads the one before and all have a form here."""
    before, found = "input", {}
    for name, inputs in network.reads().items():
        layer = network.get_submodule(name)
        values = () if isinstance(layer, Dropout) else (*layer.parameters(), *layer.buffers())
        if (
            inputs != (before,)
            or not _known(layer)
            or any(v.dtype != torch.float32 for v in values)
        ):
            return None
        before = name
        found[name] = layer
    return found


def _known(layer: nn.Module) -> bool:
    if isinstance(layer, Fold):
        return _side(layer.module) is not None
    return isinstance(layer, Linear | Conv2d | ThresholdNeuron | Flatten | Dropout)


def _side(module: nn.Module) -> int | None:
    """The side of windows that do not overlap, None for any other module."""
    if not isinstance(module, nn.AvgPool2d) or module.ceil_mode or module.divisor_override:
        return None
    sides = {_square(module.kernel_size), _square(module.stride)}
    (side, *others) = sides
    return side if not others and _square(module.padding) == 0 else None


def _square(value: int | tuple[int, int]) -> int | None:
    if isinstance(value, int):
        return value
    return value[0] if value[0] == value[1] else None


def _assemble(chain: dict[str, nn.Module], images: Tensor) -> Cascade | None:
    """Put a synapse, the pools before it and the neurons behind it together."""
    from bayesnn_spike.ops.cascade import Layer, behind

    modules, names = list(chain.values()), list(chain)
    places = [i for i, m in enumerate(modules) if isinstance(m, ThresholdNeuron)]
    if not places or places[-1] == len(modules) - 1:
        return None
    first = tuple(modules[: places[0]])
    with torch.no_grad():
        current = images[:1][None]
        for module in first:
            current = module(current)
    layers = [Layer(tuple(current.shape[2:]), neurons=_neurons(modules[places[0]]))]
    for start, end in pairwise([*places, len(modules)]):
        *before, synapse = [m for m in modules[start + 1 : end] if not isinstance(m, Dropout)] or [
            None
        ]
        if not isinstance(synapse, Linear | Conv2d) or any(
            isinstance(m, Linear | Conv2d) for m in before
        ):
            return None
        layers.append(
            behind(
                layers[-1],
                tuple(_side(m.module) for m in before if isinstance(m, Fold)),
                synapse.weight * synapse.scale,
                None if synapse.bias is None else synapse.bias * synapse.scale,
                stride=getattr(synapse, "stride", 1),
                padding=getattr(synapse, "padding", 0),
                neurons=_neurons(modules[end]) if end < len(modules) else None,
            )
        )
    named = {names[i]: layer for i, layer in zip(places, layers[:-1], strict=True)}
    return Cascade(first, named, layers[-1])


def _neurons(neuron: ThresholdNeuron) -> Any:
    """What the kernels need to know of neurons."""
    from bayesnn_spike.ops.cascade import Neurons

    return Neurons(
        neuron.v_threshold.detach(),
        torch.as_tensor(neuron.v_init * neuron.v_threshold).detach(),
        isinstance(neuron.comparison, AtOrAbove),
        float(neuron.leak.detach()),
        isinstance(neuron.order, Delayed),
    )
