"""One step of Adam as a function: nothing of its arguments is changed."""

import importlib.util
from typing import NamedTuple

import torch
from torch import Tensor

from bayesnn_spike.checks import require_shape
from bayesnn_spike.ops._dispatch import Implementation, Op, from_module, never
from bayesnn_spike.ops.adam import reference


class Step(NamedTuple):
    """The numbers of one step.

    Attributes:
        lr: the step size.
        beta1, beta2: decays of the mean and of the mean square.
        eps: added to the root of the mean square.
        count: steps taken, with this one.
    """

    lr: float
    beta1: float
    beta2: float
    eps: float
    count: int


def adam(
    values: Tensor, grad: Tensor, mean: Tensor, square: Tensor, step: Step
) -> tuple[Tensor, Tensor, Tensor]:
    """Move values along the gradient by Adam, with bias correction.

    Args:
        values: any shape.
        grad, mean, square: of the same shape: the gradient, the running means before the step.
        step: the numbers.

    Returns:
        Values, mean and mean square after the step.

    Raises:
        ValueError: a shape differs from that of the values.

    Source: Kingma and Ba 2015; ops/adam/README.md. Oracle: tests/ops/test_adam.py.
    """
    for name, tensor in (("the gradient", grad), ("the mean", mean), ("the square", square)):
        require_shape(tensor, name, tuple(values.shape))
    return _ADAM(values, grad, mean, square, step)


def _cpu_refuses(*tensors_and_step: Tensor | Step) -> list[str]:
    tensors = [t for t in tensors_and_step if isinstance(t, Tensor)]
    if any(t.device.type != "cpu" for t in tensors):
        return ["needs tensors on the cpu, got " + ", ".join(str(t.device) for t in tensors)]
    if importlib.util.find_spec("numba") is None:
        return ["numba is not installed"]
    if any(t.dtype != torch.float32 for t in tensors):
        return ["works in float32, got " + ", ".join(str(t.dtype) for t in tensors)]
    return []


_ADAM = Op(
    "adam",
    (
        Implementation("cpu", from_module("bayesnn_spike.ops.adam.cpu", "adam"), _cpu_refuses),
        Implementation("reference", lambda: reference.adam, never),
    ),
)
# So that `explain` takes the function that users know.
adam.op = _ADAM
