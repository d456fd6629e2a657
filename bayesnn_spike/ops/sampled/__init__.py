"""One layer of K sampled networks in one pass: draw the signs, add them up, fire.

For inference: no gradient flows. The K draws never exist as floats, and spikes go in and come out
as bits.
"""

from functools import partial

from torch import Tensor

from bayesnn_spike.checks import require_interval, require_positive, require_shape
from bayesnn_spike.ops._triton import op_of
from bayesnn_spike.ops.draw.signs import Signs
from bayesnn_spike.ops.fire.surrogate import AtOrAbove, Comparison, Reset, Subtract
from bayesnn_spike.ops.sampled import reference
from bayesnn_spike.ops.spikes import PackedSpikes, cpu_refuses, triton_refuses
from bayesnn_spike.ops.synapse.shapes import map_after, require_ndim_of, require_signs_fit


def sampled_linear(
    spikes: Tensor | PackedSpikes,
    signs: Signs,
    bias: Tensor | None = None,
    state: Tensor | None = None,
    *,
    scale: float | Tensor = 1.0,
    beta: float,
    v_threshold: float,
    reset: Reset = Subtract(),
    comparison: Comparison = AtOrAbove(),
) -> tuple[PackedSpikes, Tensor]:
    """Run a fully connected layer of K sampled networks over the whole recording.

    Currents are `scale * (W x + bias)`; the neuron is that of `ops.fire`.

    Args:
        spikes: `[T, B, N]` (shared by all draws) or `[K, T, B, N]`, zeros and ones.
        signs: K draws of `[M, N]`.
        bias: `[M]` or `[K, M]`.
        state: membrane before the first step, `[K, B, M]`; None is rest.
        scale: of the current, one number or `[M]`.
        beta: leak a step, in [0, 1].
        v_threshold: the membrane at which the neuron fires.
        reset: Subtract() or ToValue(v_reset).
        comparison: AtOrAbove() or Above(), decides ties.

    Returns:
        Spikes `[K, T, B, M]`, packed, and the last membrane `[K, B, M]` (float32).

    Raises:
        ValueError: a shape does not fit, there is no time step, or beta is outside [0, 1].
        RefusedError: a permitted implementation cannot take spikes other than 0 and 1.

    Source: ops/sampled/README.md. Oracle: tests/ops/test_sampled.py.
    """
    require_ndim_of(spikes, "[*K, T, B, N]", 3, 4)
    require_signs_fit(spikes, signs, bias, feature_dims=1)
    _require_neurons(spikes.shape[-3], signs, scale, beta)
    if state is not None:
        require_shape(state, "the membrane", (signs.draws, spikes.shape[-2], signs.size[0]))
    return _LINEAR(
        spikes,
        signs,
        bias,
        state,
        scale=scale,
        beta=beta,
        v_threshold=v_threshold,
        reset=reset,
        comparison=comparison,
    )


def sampled_conv2d(
    spikes: Tensor | PackedSpikes,
    signs: Signs,
    bias: Tensor | None = None,
    state: Tensor | None = None,
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    scale: float | Tensor = 1.0,
    beta: float,
    v_threshold: float,
    reset: Reset = Subtract(),
    comparison: Comparison = AtOrAbove(),
) -> tuple[PackedSpikes, Tensor]:
    """Run a convolutional layer of K sampled networks over the whole recording.

    As `sampled_linear`, with spikes `[*K, T, B, C, H, W]`, signs of `[O, C, h, w]`, spikes
    `[K, T, B, O, H', W']` out and a membrane `[K, B, O, H', W']`.

    Raises:
        ValueError: a shape does not fit, or beta is outside [0, 1].
        RefusedError: a permitted implementation cannot take spikes other than 0 and 1.

    Source: ops/sampled/README.md. Oracle: tests/ops/test_sampled.py.
    """
    require_ndim_of(spikes, "[*K, T, B, C, H, W]", 5, 6)
    require_signs_fit(spikes, signs, bias, feature_dims=3)
    _require_neurons(spikes.shape[-5], signs, scale, beta)
    if state is not None:
        after = map_after(tuple(spikes.shape[-2:]), signs.size[-2:], stride, padding)
        shape = (signs.draws, spikes.shape[-4], signs.size[0], *after)
        require_shape(state, "the membrane", shape)
    return _CONV2D(
        spikes,
        signs,
        bias,
        state,
        stride=stride,
        padding=padding,
        scale=scale,
        beta=beta,
        v_threshold=v_threshold,
        reset=reset,
        comparison=comparison,
    )


def _require_neurons(steps: int, signs: Signs, scale: float | Tensor, beta: float) -> None:
    require_positive(steps, "the number of time steps")
    require_interval(beta, "beta", 0.0, 1.0)
    if isinstance(scale, Tensor):
        require_shape(scale, "scale", (signs.size[0],))


_op = partial(op_of, package=__name__, cpu_refuses=cpu_refuses, triton_refuses=triton_refuses)
_LINEAR, _CONV2D = _op(reference.sampled_linear), _op(reference.sampled_conv2d)
# So that `explain` takes the function that users know.
sampled_linear.op, sampled_conv2d.op = _LINEAR, _CONV2D
