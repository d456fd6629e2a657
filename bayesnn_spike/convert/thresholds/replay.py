"""Input and spikes of layers that are done, in chunks, and the currents that they make.

The spikes of a layer are kept, one bit each, and replayed to the next one. Currents are needed
twice, for the threshold and then for the spikes: they are kept as well while there is room, and
made again beyond it. What is the same at every step is made once.
"""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor, nn

from bayesnn_spike.convert.build import linear_layer
from bayesnn_spike.convert.plan import INPUT, Plan
from bayesnn_spike.convert.scales import scales
from bayesnn_spike.encoding import Direct, SignedRate
from bayesnn_spike.nn.constant import is_constant
from bayesnn_spike.ops.bits import pack_bits, unpack_bits

IMAGES, STEPS = 32, 8
"""Sizes of a chunk: large enough for the products, small enough for the caches."""

ROOM = 2**30
"""Bytes of the currents of one layer that are kept."""


@final
class Section:
    """The steps between spikes (or the input) and the current of one layer of neurons.

    Args:
        plan: without batch normalisation.
        name: of the neurons.
        thresholds: of all neurons before them.
    """

    def __init__(self, plan: Plan, name: str, thresholds: Mapping[str, Tensor]) -> None:
        (self.output,) = plan[name].inputs
        ends = set(thresholds)
        found = scales(plan, thresholds)
        self.layers = [
            (step.name, step.inputs, linear_layer(plan, step, found).eval())
            for step in plan.segment(self.output, ends)
        ]
        made = {step for step, _, _ in self.layers}
        self.sources = {i for _, inputs, _ in self.layers for i in inputs} - made
        self.sources |= {self.output} - made
        self.kept: dict[tuple[int, int], Tensor] = {}
        self.constant = False

    def current(self, values: dict[str, Tensor]) -> Tensor:
        """Run the steps on spikes `[T, B, *features]` by name."""
        values = dict(values)
        for name, inputs, layer in self.layers:
            values[name] = layer(*(values[i] for i in inputs))
        return values[self.output]


class Chunk(NamedTuple):
    """The currents of some images at some steps.

    Attributes:
        step: number of the first step.
        image: number of the first image.
        current: `[T, B, *features]`.
    """

    step: int
    image: int
    current: Tensor


@final
class Replay:
    """Input and spike trains.

    Args:
        plan: without batch normalisation.
        images: `[n, *in]`.
        encoder: of the images, over `encoder.steps` steps.

    Oracle: tests/convert/thresholds/test_replay.py.
    """

    def __init__(self, plan: Plan, images: Tensor, encoder: Direct | SignedRate) -> None:
        self.plan, self.images, self.encoder = plan, images, encoder
        self._trains: dict[tuple[str, int, int], Tensor] = {}

    def currents(self, section: Section, *, last: bool = False) -> Iterator[Chunk]:
        """Yield the currents of a section in chunks, steps outside and images inside.

        Args:
            section: made from this plan.
            last: let go of each after it was yielded: nobody will ask again.
        """
        held = 0
        for step in range(0, self.encoder.steps, STEPS):
            count = min(STEPS, self.encoder.steps - step)
            for image in range(0, len(self.images), IMAGES):
                key = (0 if section.constant else step, image)
                current = section.kept.get(key)
                if current is None:
                    current = section.current(self._read(section.sources, step, image))
                    section.constant = is_constant(current, 0)
                    held += 0 if section.constant else current.nbytes
                    if section.constant or (held <= ROOM and not last):
                        section.kept[key] = current
                elif section.constant:
                    current = current[:1].expand(count, *current.shape[1:])
                elif last:
                    del section.kept[key]
                yield Chunk(step, image, current)
        if last:
            section.kept.clear()

    def fire(
        self, name: str, section: Section, layer: nn.Module, onward: Section | None, kept: bool
    ) -> None:
        """Run a layer of neurons over all currents of its section.

        Args:
            name: of the neurons.
            section: whose currents they get.
            layer: the neurons.
            onward: the next section; where it reads these spikes it gets them at once, and makes
                and keeps its currents while there is room.
            kept: other sections read the spikes later: keep them all.
        """
        hears = onward is not None and name in onward.sources
        states: dict[int, object] = {}
        held = 0
        for step, image, current in self.currents(section, last=True):
            spikes, states[image] = layer(current, states.get(image))
            made = hears and held <= ROOM
            if made:
                others = self._read(onward.sources - {name}, step, image)
                found = onward.kept[step, image] = onward.current({name: spikes, **others})
                held += found.nbytes
            if kept or not made:
                self._trains[name, step, image] = packed(spikes.flatten(1))

    def keep(self, names: set[str]) -> None:
        """Let go of the spikes of all other layers."""
        self._trains = {key: train for key, train in self._trains.items() if key[0] in names}

    def _read(self, sources: set[str], step: int, image: int) -> dict[str, Tensor]:
        """Spikes of a chunk, `[T, B, *features]` by name."""
        some = self.images[image : image + IMAGES]
        steps = min(STEPS, self.encoder.steps - step)
        found = {}
        for name in sources:
            if name == INPUT:
                found[name] = self.encoder.encode(
                    some, steps=steps, first_step=step, first_example=image
                )
                continue
            shape = (steps, len(some), *self.plan.shape_of(name))
            bits = self._trains[name, step, image]
            found[name] = unpacked(bits, math.prod(shape[1:])).to(some.dtype).view(shape)
        return found


def packed(spikes: Tensor) -> Tensor:
    """Return spikes `[T, N]` as bits, in a form of the device."""
    if spikes.device.type != "cpu":
        return pack_bits(spikes)
    return torch.from_numpy(np.packbits(spikes.to(torch.bool).numpy(), axis=1))


def unpacked(bits: Tensor, count: int) -> Tensor:
    """Return the 0 and 1 `[T, count]` that `packed` made bits of."""
    if bits.device.type != "cpu":
        return unpack_bits(bits, count)
    return torch.from_numpy(np.unpackbits(bits.numpy(), axis=1, count=count))
