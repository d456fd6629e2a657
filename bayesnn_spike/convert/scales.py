"""Scales: the activation that one spike, or unit of current, a step stands for.

Every edge has one. The input's is 1; a synapse keeps its input's; a neuron multiplies by its
threshold, because a rate of 1 is a mean current of one threshold a step. The rest is bookkeeping.
A scale is a number, or `[C]`, one a channel.

Source: r_l = clip(W r_{l-1} / V_l, 0, 1) of soft-reset neurons, so that a_l = r_l prod V.
Oracle: tests/convert/test_scales.py.
"""

from collections.abc import Mapping

from torch import Tensor

from bayesnn_spike.convert.plan import INPUT, Flatten, Plan, Rectify, Step, Synapse


def scales(plan: Plan, thresholds: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the scale after every step, and of the input.

    Steps that need a threshold which is not there yet are left out, and what follows them.

    Args:
        plan: without batch normalisation.
        thresholds: positive, 0-dim or `[C]`, by the name of the neuron.
    """
    found = {INPUT: plan.number(1.0)}
    for step in plan.steps:
        known = all(name in found for name in step.inputs)
        if known and (not isinstance(step.operation, Rectify) or step.name in thresholds):
            found[step.name] = _after(plan, step, found, thresholds)
    return found


def _after(
    plan: Plan, step: Step, found: Mapping[str, Tensor], thresholds: Mapping[str, Tensor]
) -> Tensor:
    first = found[step.inputs[0]]
    match step.operation:
        case Synapse():
            return common(first)
        case Rectify():
            return first * thresholds[step.name]
        case Flatten() if first.ndim == 1:
            _, height, width = plan.shape_of(step.inputs[0])
            return first.repeat_interleave(height * width)
        case _:
            return first


def common(scale: Tensor) -> Tensor:
    """One number for all channels: that of the currents behind them."""
    return scale.mean() if scale.ndim else scale


def gains(step: Step, found: Mapping[str, Tensor]) -> list[Tensor]:
    """What each input of a sum is multiplied by, relative to the first one's scale."""
    return [found[name] / found[step.inputs[0]] for name in step.inputs]
