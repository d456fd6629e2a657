"""A first-order filter over time, without threshold: synaptic and membrane traces."""

from torch import Tensor

from bayesnn_spike.checks import require_interval, require_state
from bayesnn_spike.ops._dispatch import Implementation, Op, from_module, never
from bayesnn_spike.ops._lanes import cpu_refuses, require_steps
from bayesnn_spike.ops.trace import reference


def trace(
    inputs: Tensor, state: Tensor | None = None, *, decay: float, time_dim: int
) -> tuple[Tensor, Tensor]:
    """Filter `y_t = decay * y_{t-1} + x_t` along one axis.

    Args:
        inputs: any shape with time at `time_dim`.
        state: y before the first step, the shape of one step; None is rest.
        decay: dimensionless, in [0, 1].
        time_dim: the axis of time.

    Returns:
        The filtered inputs (same shape) and the last y.

    Raises:
        ValueError: decay outside [0, 1], no time step, or a state of another shape, dtype or
            device.

    Source: ops/trace/README.md. Oracle: tests/ops/test_trace.py.
    """
    require_interval(decay, "decay", 0.0, 1.0)
    require_steps(inputs, time_dim, "the input of trace")
    if state is not None:
        require_state(state, "the trace's state", inputs.select(time_dim, 0))
    return _TRACE(inputs, state, decay=decay, time_dim=time_dim)


_TRACE = Op(
    "trace",
    (
        Implementation("cpu", from_module("bayesnn_spike.ops.trace.cpu", "trace"), cpu_refuses),
        Implementation("reference", lambda: reference.trace, never),
    ),
)
# So that `explain` takes the function that users know.
trace.op = _TRACE
