"""What is the same at every time step is computed once.

A tensor that was expanded along time (`encoding.direct`) has stride 0 there: one step is all steps.
Oracle: tests/nn/test_constant.py.
"""

from collections.abc import Callable

from torch import Tensor


def is_constant(x: Tensor, time_dim: int) -> bool:
    """Return whether a plain tensor of several steps holds one step that is shown at all of them.

    Args:
        x: any shape with time at `time_dim`.
        time_dim: the axis of time.
    """
    return type(x) is Tensor and x.shape[time_dim] > 1 and x.stride(time_dim) == 0


def once(function: Callable[[Tensor], Tensor], x: Tensor, time_dim: int) -> Tensor:
    """Return `function(x)` of a function that treats all steps alike.

    For an input that is constant in time the function sees one step, and its result is expanded:
    its cost and that of its gradients do not grow with T.

    Args:
        function: takes and returns time at `time_dim`.
        x: any shape with time at `time_dim`.
        time_dim: the axis of time, counted from the end where draws may lead.
    """
    if not is_constant(x, time_dim):
        return function(x)
    one = function(x.narrow(time_dim, 0, 1))
    shape = list(one.shape)
    shape[time_dim] = x.shape[time_dim]
    return one.expand(shape)
