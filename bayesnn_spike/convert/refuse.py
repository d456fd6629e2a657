"""What cannot be converted, said by name and all at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from bayesnn_spike.convert.plan import INPUT, Norm, Plan, Rectify, Step, Synapse, Unread


@final
@dataclass(frozen=True)
class Reason:
    """One thing that cannot be converted.

    Attributes:
        where: a module's path in the user's network, or a function of its trace.
        what: what is there.
        advice: what to do.
    """

    where: str
    what: str
    advice: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.advice}"


@final
class ConversionError(ValueError):
    """A network cannot be converted; every reason is named, and nothing was changed.

    Attributes:
        reasons: one for everything that stands in the way.
    """

    def __init__(self, reasons: Sequence[Reason]) -> None:
        self.reasons = tuple(reasons)
        count = "1 reason" if len(reasons) == 1 else f"{len(reasons)} reasons"
        lines = [f"the network cannot be converted, for {count}:"]
        super().__init__("\n  ".join(lines + [str(reason) for reason in reasons]))


def structure(plan: Plan) -> list[Reason]:
    """Return what is wrong with the order of operations; what is unread is not judged again.

    Oracle: tests/convert/test_refuse.py.
    """
    reasons = []
    for step in plan.steps:
        if isinstance(step.operation, Norm):
            before = step.inputs[0]
            ahead = None if before == INPUT else plan[before].operation
            if isinstance(ahead, Unread):
                continue
            if not isinstance(ahead, Synapse):
                what = "batch normalisation that does not follow a linear or convolution layer"
            elif len(plan.readers(before)) > 1 or plan.output == before:
                what = f"batch normalisation of {plan[before].path}, which others read without it"
            else:
                continue
            advice = "it can only be folded into the layer right before it: move it there"
            reasons.append(Reason(step.path, what, advice))
    reasons += [
        Reason(
            step.path,
            "the network's output is an activation",
            "return what the last linear layer gives: the readout has no neuron",
        )
        for step in tail(plan)
        if isinstance(step.operation, Rectify)
    ]
    if not any(_fires(step) for step in plan.steps):
        reasons.append(Reason("the network", "has no ReLU", "there is nothing to make spike"))
    return reasons


def tail(plan: Plan) -> list[Step]:
    """Return the steps between the last layers of weights and the network's output."""
    names = [] if plan.output == INPUT else [plan.output]
    found: dict[str, Step] = {}
    for name in names:
        step = plan[name]
        weights = isinstance(step.operation, Synapse) or (
            isinstance(step.operation, Unread) and not step.operation.active
        )
        if weights or name in found:
            continue
        found[name] = step
        names.extend(i for i in step.inputs if i != INPUT)
    return list(found.values())


def _fires(step: Step) -> bool:
    """Whether a step is a ReLU, or may be an activation that was meant as one."""
    operation = step.operation
    return isinstance(operation, Rectify) or (isinstance(operation, Unread) and operation.active)
