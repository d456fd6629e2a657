"""Layer by layer: find a layer's threshold from its currents under spiking input, then its spikes.

The spikes of a layer are kept, one bit each, and replayed to the next one: every layer is simulated
twice whatever the depth, and all layers see the same input spikes.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import final

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.convert.build import linear_layer, neuron
from bayesnn_spike.convert.options import NeuronOptions
from bayesnn_spike.convert.plan import INPUT, Plan
from bayesnn_spike.convert.scales import scales
from bayesnn_spike.convert.thresholds.largest import Largest
from bayesnn_spike.encoding import Direct, SignedRate
from bayesnn_spike.nn.constant import is_constant

IMAGES, STEPS = 32, 8
"""Sizes of a chunk: large enough for the products, small enough for the caches."""

Fixed = tuple[tuple[str, float], ...]


@torch.no_grad()
def search(
    plan: Plan,
    images: Tensor,
    encoder: Direct | SignedRate,
    options: NeuronOptions,
    *,
    percentile: float,
    scale: float,
    fixed: Fixed,
) -> dict[str, Tensor]:
    """Return a threshold for every neuron.

    Args:
        plan: without batch normalisation.
        images: `[n, *in]`; their order does not matter.
        encoder: of the input, over `encoder.steps` steps.
        options: the order, the comparison and the first membrane are used; the leak is 1.
        percentile: of a layer's currents over all images and neurons at one step; the largest of
            all steps is the threshold. 100 is the maximum.
        scale: multiplies all thresholds that were found, at the end.
        fixed: thresholds that are given, by patterns of names; they are not scaled.

    Raises:
        ValueError: a layer gets no positive current from these images, or a pattern names none.

    Source: Rathi et al., ICLR 2020 (maximum) and DIET-SNN (percentile), as in their released code,
    except that the spikes of the layer below are drawn once and kept.
    Oracle: tests/convert/thresholds/test_search.py.
    """
    given = _given(plan, fixed)
    chosen = replace(options, leak=1.0, learn_threshold=False, learn_leak=False)
    thresholds: dict[str, Tensor] = {}
    replay = _Replay(plan, images, encoder)
    names = [step.name for step in plan.neurons()]
    for position, name in enumerate(names):
        section = _Section(plan, name, thresholds)
        if name in given:
            thresholds[name] = images.new_tensor(given[name])
        else:
            thresholds[name] = _threshold(replay, section, percentile)
        later = {i for n in names[position + 1 :] for i in _spikes_for(plan, n, set(names))}
        if name in later:
            replay.add(name, section, neuron(plan[name], thresholds[name], chosen))
        replay.keep(later)
    return {name: value if name in given else value * scale for name, value in thresholds.items()}


def _given(plan: Plan, fixed: Fixed) -> dict[str, float]:
    names = [step.name for step in plan.neurons()]
    found = {}
    for pattern, value in fixed:
        matched = [name for name in names if fnmatchcase(name, pattern)]
        if not matched:
            raise ValueError(f"no neuron is called {pattern!r}; there are {names}")
        found |= dict.fromkeys(matched, float(value))
    return found


def _spikes_for(plan: Plan, name: str, neurons: set[str]) -> set[str]:
    """The neurons whose spikes another layer of neurons reads, through anything linear."""
    (output,) = plan[name].inputs
    read = {output} | {i for step in plan.segment(output, neurons) for i in step.inputs}
    return read & neurons


@final
class _Section:
    """The steps between spikes (or the input) and the current of one layer of neurons."""

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

    def current(self, values: dict[str, Tensor]) -> Tensor:
        """Run the steps on spikes `[T, B, *features]` by name."""
        values = dict(values)
        for name, inputs, layer in self.layers:
            values[name] = layer(*(values[i] for i in inputs))
        return values[self.output]


@final
class _Replay:
    """Input and spike trains, in chunks of images and steps."""

    def __init__(self, plan: Plan, images: Tensor, encoder: Direct | SignedRate) -> None:
        self.plan, self.images, self.encoder = plan, images, encoder
        self.trains: dict[str, dict[int, np.ndarray]] = {}

    def chunks(self) -> Iterator[tuple[int, int]]:
        """Yield (first step, first image), steps outside."""
        for step in range(0, self.encoder.steps, STEPS):
            for image in range(0, len(self.images), IMAGES):
                yield step, image

    def read(self, sources: set[str], step: int, image: int) -> dict[str, Tensor]:
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
            bits = self.trains[name][image][step : step + steps]
            flat = np.unpackbits(bits, axis=1, count=math.prod(shape[1:]))
            found[name] = torch.from_numpy(flat).to(self.images.dtype).view(shape)
        return found

    def add(self, name: str, section: _Section, layer: torch.nn.Module) -> None:
        """Run a layer of neurons over everything and keep its spikes."""
        states: dict[int, object] = {}
        parts: dict[int, list[np.ndarray]] = {}
        for step, image in self.chunks():
            current = section.current(self.read(section.sources, step, image))
            spikes, states[image] = layer(current, states.get(image))
            flat = spikes.flatten(1).to(torch.bool).numpy()
            parts.setdefault(image, []).append(np.packbits(flat, axis=1))
        self.trains[name] = {image: np.concatenate(found) for image, found in parts.items()}

    def keep(self, names: set[str]) -> None:
        """Let go of all other trains."""
        self.trains = {name: train for name, train in self.trains.items() if name in names}


def _threshold(replay: _Replay, section: _Section, percentile: float) -> Tensor:
    """The largest of all steps' percentiles of the current."""
    best, largest, known = -math.inf, None, -1
    for step, image in replay.chunks():
        current = section.current(replay.read(section.sources, step, image))
        constant = is_constant(current, 0)
        if constant and step > 0:
            continue
        if step != known:
            best = max(best, _close(largest))
            count = len(replay.images) * current[0, 0].numel()
            largest = [Largest(count, percentile) for _ in range(1 if constant else len(current))]
            known = step
        for found, values in zip(largest, current, strict=False):
            found.add(values)
    best = max(best, _close(largest))
    if not best > 0:
        raise ValueError(
            f"no current into {section.output!r} is positive on these {len(replay.images)} images "
            f"in {replay.encoder.steps} steps: its neurons would never fire. Take more images, "
            "more steps or a larger percentile, or take the layer out of the network"
        )
    return torch.tensor(best, dtype=replay.images.dtype)


def _close(largest: list[Largest] | None) -> float:
    return max((found.value() for found in largest or []), default=-math.inf)
