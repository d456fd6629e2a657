"""What the steps of a plan give as an ordinary network: activations, the aim of the rates.

Oracle: tests/convert/test_forward.py.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from bayesnn_spike.convert.plan import (
    INPUT,
    Add,
    Drop,
    Flatten,
    Norm,
    Plan,
    Pool,
    Rectify,
    Step,
    Synapse,
)

Change = Callable[[Step, Tensor], Tensor]


def activations(plan: Plan, images: Tensor, *, change: Change | None = None) -> dict[str, Tensor]:
    """Run a plan on images, without dropout.

    Args:
        plan: what to run.
        images: `[B, *in]`.
        change: takes a step and its result and returns what later steps read instead.

    Returns:
        Results `[B, *shape]` by the name of the step, and the images as "input".
    """
    values = {INPUT: images}
    for step in plan.steps:
        value = _result(step, [values[name] for name in step.inputs])
        values[step.name] = value if change is None else change(step, value)
    return values


def _result(step: Step, inputs: list[Tensor]) -> Tensor:
    x = inputs[0]
    match step.operation:
        case Synapse(weight, bias, stride, padding):
            if weight.ndim == 2:
                return F.linear(x, weight, bias)
            return F.conv2d(x, weight, bias, stride, padding)
        case Norm(factor, offset):
            return x * per_channel(factor, x.ndim - 1) + per_channel(offset, x.ndim - 1)
        case Rectify(bound, levels) if levels is not None:
            return ((x / bound).clamp(0, 1) * levels + 0.5).floor() / levels * bound
        case Rectify():
            return x.relu()
        case Pool(module):
            return module(x)
        case Flatten():
            return x.flatten(1)
        case Drop():
            return x
        case Add():
            return inputs[0] + inputs[1]


def per_channel(value: Tensor, feature_dims: int) -> Tensor:
    """`[C]` as it broadcasts over `[C, H, W]` (three feature axes) or `[C]` (one); numbers stay."""
    return value.view(-1, *[1] * (feature_dims - 1)) if value.ndim == 1 else value
