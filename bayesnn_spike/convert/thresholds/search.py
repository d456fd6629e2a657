"""Layer by layer: find a layer's threshold from its currents under spiking input, then its spikes.

The spikes of a layer are drawn once and replayed to the next one: the cost of a layer does not grow
with the depth, and all layers see the same input spikes.
"""

import math
from dataclasses import replace
from fnmatch import fnmatchcase

import torch
from torch import Tensor

from bayesnn_spike.convert.build import neuron
from bayesnn_spike.convert.options import NeuronOptions
from bayesnn_spike.convert.plan import Plan
from bayesnn_spike.convert.thresholds.largest import Largest
from bayesnn_spike.convert.thresholds.replay import Replay, Section
from bayesnn_spike.encoding import Direct, SignedRate

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
    replay = Replay(plan, images, encoder)
    names = [step.name for step in plan.neurons()]
    section = Section(plan, names[0], thresholds)
    for position, name in enumerate(names):
        if name in given:
            thresholds[name] = images.new_tensor(given[name])
        else:
            thresholds[name] = _threshold(replay, section, percentile)
        later = [_spikes_for(plan, n, set(names)) for n in names[position + 1 :]]
        onward = Section(plan, names[position + 1], thresholds) if later else None
        if any(name in read for read in later):
            layer = neuron(plan[name], thresholds[name], chosen)
            kept = any(name in read for read in later[1:])
            replay.fire(name, section, layer, onward, kept)
        replay.keep(set().union(*later))
        section = onward
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


def _threshold(replay: Replay, section: Section, percentile: float) -> Tensor:
    """The largest of all steps' percentiles of the current."""
    best, largest, known = -math.inf, None, -1
    for step, _, current in replay.currents(section):
        if section.constant and step > 0:
            break
        if step != known:
            best = max(best, _close(largest))
            count = len(replay.images) * current[0, 0].numel()
            kinds = 1 if section.constant else len(current)
            largest = [Largest(count, percentile) for _ in range(kinds)]
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
    return replay.images.new_tensor(best)


def _close(largest: list[Largest] | None) -> float:
    return max((found.value() for found in largest or []), default=-math.inf)
