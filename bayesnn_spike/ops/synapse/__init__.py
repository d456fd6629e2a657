"""Currents from weights and spikes: linear and 2-d convolution with an optional draw axis K."""

from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_variadic

from bayesnn_spike.checks import require_ndim
from bayesnn_spike.ops._dispatch import Implementation, Op, from_module, never
from bayesnn_spike.ops.synapse import dense
from bayesnn_spike.ops.synapse.choice import MAX_DENSITY as MAX_DENSITY
from bayesnn_spike.ops.synapse.choice import conv2d_refuses, linear_refuses
from bayesnn_spike.ops.synapse.shapes import map_after, require_fit
from bayesnn_spike.ops.synapse.signed import signed_conv2d as signed_conv2d
from bayesnn_spike.ops.synapse.signed import signed_linear as signed_linear
from bayesnn_spike.ops.synapse.straight import STRAIGHT_CONV2D as _STRAIGHT_CONV2D  # noqa: F401
from bayesnn_spike.ops.synapse.straight import STRAIGHT_LINEAR as _STRAIGHT_LINEAR  # noqa: F401
from bayesnn_spike.ops.synapse.straight import straight_conv2d as straight_conv2d
from bayesnn_spike.ops.synapse.straight import straight_linear as straight_linear


def linear(spikes: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply spikes with weights: `[*K, T, B, N]` and `[*K, M, N]` to `[*K, T, B, M]`.

    Args:
        spikes: `[T, B, N]` (shared by all draws) or `[K, T, B, N]`.
        weight: `[M, N]`, `[K, M, N]`, or a tensor type of `bayesnn_spike.weights`.
        bias: `[M]` or `[K, M]`, added at every step.

    Raises:
        ValueError: an axis count or a size does not fit; both shapes are named.

    Source: ops/synapse/README.md. Oracle: tests/ops/test_synapse.py.
    """
    if has_torch_function_variadic(spikes, weight, bias):
        return handle_torch_function(linear, (spikes, weight, bias), spikes, weight, bias)
    require_ndim(spikes, "spikes", "[*K, T, B, N]", 3, 4)
    require_ndim(weight, "weight", "[*K, M, N]", 2, 3)
    require_fit(spikes, weight, bias, feature_dims=1)
    return _LINEAR(spikes, weight, bias)


def conv2d(
    spikes: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
) -> Tensor:
    """Convolve spikes with weights: `[*K, T, B, C, H, W]` and `[*K, O, C, h, w]`.

    Returns:
        `[*K, T, B, O, H', W']`.

    Raises:
        ValueError: an axis count or a size does not fit; both shapes are named.

    Source: ops/synapse/README.md. Oracle: tests/ops/test_synapse.py.
    """
    if has_torch_function_variadic(spikes, weight, bias):
        return handle_torch_function(
            conv2d, (spikes, weight, bias), spikes, weight, bias, stride=stride, padding=padding
        )
    require_ndim(spikes, "spikes", "[*K, T, B, C, H, W]", 5, 6)
    require_ndim(weight, "weight", "[*K, O, C, h, w]", 4, 5)
    require_fit(spikes, weight, bias, feature_dims=3)
    map_after(tuple(spikes.shape[-2:]), tuple(weight.shape[-2:]), stride, padding)
    return _CONV2D(spikes, weight, bias, stride=stride, padding=padding)


_LINEAR = Op(
    "linear",
    (
        Implementation(
            "cpu", from_module("bayesnn_spike.ops.synapse.cpu", "linear"), linear_refuses
        ),
        Implementation("reference", lambda: dense.linear, never),
    ),
)
_CONV2D = Op(
    "conv2d",
    (
        Implementation(
            "cpu", from_module("bayesnn_spike.ops.synapse.conv_cpu", "conv2d"), conv2d_refuses
        ),
        Implementation("reference", lambda: dense.conv2d, never),
    ),
)
# So that `explain` takes the function that users know.
linear.op, conv2d.op = _LINEAR, _CONV2D
