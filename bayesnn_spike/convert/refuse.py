"""What cannot be converted, said by name and all at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from bayesnn_spike.convert.plan import INPUT, Norm, Plan, Rectify, Synapse


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
    """Return what is wrong with the order of operations that are each known.

    Oracle: tests/convert/test_refuse.py.
    """
    reasons = []
    for step in plan.steps:
        if isinstance(step.operation, Norm):
            before = step.inputs[0]
            ahead = None if before == INPUT else plan[before].operation
            if not isinstance(ahead, Synapse):
                what = "batch normalisation that does not follow a linear or convolution layer"
            elif len(plan.readers(before)) > 1 or plan.output == before:
                what = f"batch normalisation of {plan[before].path}, which others read without it"
            else:
                continue
            advice = "it can only be folded into the layer right before it: move it there"
            reasons.append(Reason(step.path, what, advice))
    found = [plan[plan.output]]
    for step in found:
        if isinstance(step.operation, Rectify):
            reasons.append(
                Reason(
                    step.path,
                    "the network's output is an activation",
                    "return what the last linear layer gives: the readout has no neuron",
                )
            )
        elif not isinstance(step.operation, Synapse):
            found.extend(plan[i] for i in step.inputs if i != INPUT)
    if not any(isinstance(step.operation, Rectify) for step in plan.steps):
        reasons.append(Reason("the network", "has no ReLU", "there is nothing to make spike"))
    return reasons
