"""A converted chain, run by its spikes: the same network, without a tensor of currents in between.

Sums are in another order than those of the module, so that a membrane that meets its threshold
within rounding may fire a step earlier or later. Oracle: tests/convert/test_cascade.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn

from bayesnn_spike.encoding import Direct, SignedRate
from bayesnn_spike.neurons import ThresholdNeuron
from bayesnn_spike.nn import Conv2d, Dropout, Flatten, Fold, Graph, Linear
from bayesnn_spike.ops.cascade import Cascaded, Chain, Layer, Neurons
from bayesnn_spike.ops.cascade import cascade as run_cascade

STEPS = 16
"""Steps at a time."""


@final
@dataclass(frozen=True, eq=False)
class Cascade:
    """A chain of layers of neurons and a readout, ready to run.

    Attributes:
        first: the layers that the input goes through, up to the first current.
        names: of the layers of neurons.
        chain: those layers, and what is between them and behind.
    """

    first: tuple[nn.Module, ...]
    names: tuple[str, ...]
    chain: Chain

    def run(
        self, images: Tensor, encoder: Direct | SignedRate, steps: int, first_example: int = 0
    ) -> Iterator[Tensor]:
        """Yield the readout `[t, B, C]` of chunks of steps; see `convert.running.run`."""
        for chunk in self._chunks(images, encoder, steps, first_example, counts=False):
            yield chunk.readout

    def counts(
        self, images: Tensor, encoder: Direct | SignedRate, steps: int, first_example: int = 0
    ) -> dict[str, Tensor]:
        """Return how often every neuron fires, `[B, *features]` by the layer's name."""
        found: dict[str, Tensor] = {}
        for chunk in self._chunks(images, encoder, steps, first_example, counts=True):
            for name, counts in zip(self.names, chunk.counts, strict=True):
                found[name] = found[name] + counts if name in found else counts
        return found

    @torch.no_grad()
    def _chunks(
        self,
        images: Tensor,
        encoder: Direct | SignedRate,
        steps: int,
        first_example: int,
        *,
        counts: bool,
    ) -> Iterator[Cascaded]:
        """Yield what chunks of steps give, the state carried on."""
        state = None
        same = isinstance(encoder, Direct)
        current = self._current(encoder.encode(images, steps=1)) if same else None
        for done in range(0, steps, STEPS):
            count = min(STEPS, steps - done)
            if not same:
                x = encoder.encode(
                    images, steps=count, first_step=done, first_example=first_example
                )
                current = self._current(x)
            shown = current.expand(count, *current.shape[1:])
            chunk = run_cascade(shown, self.chain, state, counts=counts)
            state = chunk.state
            yield chunk

    def _current(self, x: Tensor) -> Tensor:
        """Currents `[t, B, *features]` of the first layer."""
        for layer in self.first:
            x = layer(x)
        return x


def cascade(network: Graph, images: Tensor) -> Cascade | None:
    """Return a network in a form that runs by its spikes, or None where it has none.

    It has one if it is a chain of our layers, all of the images' dtype and device, with average
    pools whose windows do not overlap. Dropout passes everything on, as in evaluation.

    Args:
        network: a converted network.
        images: `[n, *in]`, for their shapes, dtype and device.
    """
    chain = _chain(network, images)
    return None if chain is None else _assemble(chain, images)


def _chain(network: Graph, images: Tensor) -> dict[str, nn.Module] | None:
    """The layers in order, if each reads the one before and all have a form here."""
    before, found = "input", {}
    for name, inputs in network.reads().items():
        layer = network.get_submodule(name)
        values = () if isinstance(layer, Dropout) else (*layer.parameters(), *layer.buffers())
        if (
            inputs != (before,)
            or not _known(layer)
            or any((v.dtype, v.device) != (images.dtype, images.device) for v in values)
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
    """Put neurons, the pools behind them and the synapse behind those together."""
    modules, names = list(chain.values()), list(chain)
    places = [i for i, m in enumerate(modules) if isinstance(m, ThresholdNeuron)]
    if not places or places[-1] == len(modules) - 1:
        return None
    first = tuple(modules[: places[0]])
    with torch.no_grad():
        current = images[:1][None]
        for module in first:
            current = module(current)
    layers = []
    for start, end in pairwise([*places, len(modules)]):
        *before, synapse = [m for m in modules[start + 1 : end] if not isinstance(m, Dropout)] or [
            None
        ]
        if not isinstance(synapse, Linear | Conv2d) or any(
            isinstance(m, Linear | Conv2d) for m in before
        ):
            return None
        layers.append(
            Layer(
                _neurons(modules[start]),
                synapse.weight * synapse.scale,
                None if synapse.bias is None else synapse.bias * synapse.scale,
                tuple(_side(m.module) for m in before if isinstance(m, Fold)),
                getattr(synapse, "stride", 1),
                getattr(synapse, "padding", 0),
            )
        )
    named = tuple(names[i] for i in places)
    return Cascade(first, named, Chain(tuple(current.shape[2:]), tuple(layers)))


def _neurons(neuron: ThresholdNeuron) -> Neurons:
    return Neurons(
        neuron.v_threshold,
        neuron.v_init,
        float(neuron.leak.detach()),
        neuron.order,
        neuron.comparison,
    )
