"""Layer-wise calibration: what a layer's rates lack in T steps is put into biases or membranes.

Layers are corrected in order, each with those before it corrected already.
"""

import copy
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor, nn

from bayesnn_spike.checks import require_kind
from bayesnn_spike.convert.bias import add_current, source
from bayesnn_spike.convert.check import require_conversion, require_images
from bayesnn_spike.convert.convert import Conversion
from bayesnn_spike.convert.forward import activations, per_channel
from bayesnn_spike.convert.plan import Step
from bayesnn_spike.convert.report import measure
from bayesnn_spike.convert.running import spike_counts
from bayesnn_spike.encoding import Direct, SignedRate
from bayesnn_spike.neurons import ThresholdNeuron
from bayesnn_spike.nn import Graph


@final
@dataclass(frozen=True)
class MatchBias:
    """Move the bias of every channel by the mean of (activation - rate times scale).

    It works at all T, and best at the T of the calibration. The bias is that of a layer of weights
    which leads to these neurons alone, on any branch of a sum.
    """


@final
@dataclass(frozen=True)
class MatchPotential:
    """Move the first membrane of every neuron by T times that mean: it is right at this T only."""


@torch.no_grad()
def calibrate(
    conversion: Conversion,
    images: Tensor,
    *,
    encoder: Direct | SignedRate,
    match: MatchBias | MatchPotential = MatchBias(),
) -> Conversion:
    """Return a conversion whose mean rates are those of the activations on a batch of images.

    Args:
        conversion: as `convert` returns it; it is not changed.
        images: `[n, *in]`, one batch.
        encoder: of the images; its `steps` are the T that is calibrated for.
        match: what is moved.

    Raises:
        TypeError: no conversion, or an encoder or a match of another kind.
        ValueError: `MatchBias()` where neurons have no layer of weights of their own before them,
            or images that do not fit.

    Source: Li et al., ICML 2021 (light pipeline: bias shift; initial potential), as restated in the
    literature; the paper itself was not at hand.
    Oracle: tests/convert/test_calibrate.py.
    """
    require_conversion(conversion)
    require_kind(encoder, "encoder", Direct, SignedRate)
    require_kind(match, "match", MatchBias, MatchPotential)
    network, plan = copy.deepcopy(conversion.network), conversion.plan
    require_images(images, like=plan.number(1.0), shape=plan.shape)
    if isinstance(match, MatchBias):
        for step in plan.neurons():
            source(plan, step)
    wanted = activations(plan, images)
    for step in plan.neurons():
        counts = spike_counts(network, images, encoder)[step.name]
        unit = per_channel(conversion.scales[step.name], len(step.shape))
        lack = wanted[step.name] - counts / encoder.steps * unit
        if isinstance(match, MatchBias):
            means = lack.flatten(2).mean((0, 2)) if lack.ndim > 2 else lack.mean(0)
            before = conversion.scales[step.inputs[0]]
            add_current(network, plan, step, means / before)
        else:
            _lift(network, step, lack.mean(0) * encoder.steps / unit)
    report = measure(network, plan, conversion.scales, images, encoder)
    return replace(conversion, network=network, report=report)


def _lift(network: Graph, step: Step, part: Tensor) -> None:
    """Add a part of the threshold, one a neuron, to the membrane at rest."""
    old = network.get_submodule(step.name)
    made = ThresholdNeuron(
        old.v_threshold,
        leak=float(old.leak),
        order=old.order,
        surrogate=old.surrogate,
        comparison=old.comparison,
        v_init=old.v_init + part,
        feature_dims=old.feature_dims,
        learn_threshold=isinstance(old.v_threshold, nn.Parameter),
        learn_leak=isinstance(old.leak, nn.Parameter),
    )
    setattr(network, step.name, made.train(old.training))
