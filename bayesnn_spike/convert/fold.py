"""Batch normalisation folded into the layer before it: W <- factor W, b <- factor b + offset."""

from dataclasses import replace

from bayesnn_spike.convert.forward import per_channel
from bayesnn_spike.convert.plan import Norm, Plan, Synapse


def fold_norms(plan: Plan) -> Plan:
    """Return the plan without batch normalisation; it computes the same.

    Every `Norm` must follow a synapse that nothing else reads, which `structure` has checked.

    Source: y = factor (W x + b) + offset, with running statistics in the factor.
    Oracle: tests/convert/test_fold.py.
    """
    for step in plan.steps:
        if not isinstance(step.operation, Norm):
            continue
        factor, offset = step.operation.factor, step.operation.offset
        before = plan[step.inputs[0]]
        synapse = before.operation
        weight = synapse.weight * per_channel(factor, synapse.weight.ndim)
        bias = offset if synapse.bias is None else synapse.bias * factor + offset
        folded = replace(before, operation=Synapse(weight, bias, synapse.stride, synapse.padding))
        plan = replace(
            plan, steps=tuple(folded if s.name == before.name else s for s in plan.steps)
        ).without(step.name)
    return plan
