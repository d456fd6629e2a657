"""Currents of weights that stand for their signs: packed forward, straight through backward.

y = scale (x sign(v)^T + bias)      sign(v) = +1 for v >= 0, else -1; or x * sign(v), a convolution
dL/dv = dL/dsign(v)         the sign passes its gradient as it is
"""

from typing import Any

import torch
from torch import Tensor

from bayesnn_spike.checks import require_ndim
from bayesnn_spike.ops._dispatch import Implementation, Op, from_module, never
from bayesnn_spike.ops.synapse import dense
from bayesnn_spike.ops.synapse.choice import straight_conv2d_refuses, straight_refuses
from bayesnn_spike.ops.synapse.shapes import map_after, require_fit


def straight_linear(
    spikes: Tensor, weight: Tensor, bias: Tensor | None = None, *, scale: float = 1.0
) -> Tensor:
    """Multiply spikes with the signs of weights: `[*K, T, B, N]` and `[*K, M, N]`.

    Args:
        spikes: `[T, B, N]` (shared by all draws) or `[K, T, B, N]`.
        weight: real values `[M, N]` or `[K, M, N]`; at least 0 is +1, anything else -1.
        bias: `[M]` or `[K, M]`, added at every step as it is.
        scale: multiplies the sum.

    Returns:
        `[*K, T, B, M]`; its gradient reaches the weight as if the weight were its signs.

    Raises:
        ValueError: an axis count or a size does not fit; both shapes are named.

    Source: Courbariaux et al. 2015; ops/synapse/README.md.
    Oracle: tests/ops/test_synapse_straight.py.
    """
    require_ndim(spikes, "spikes", "[*K, T, B, N]", 3, 4)
    require_ndim(weight, "weight", "[*K, M, N]", 2, 3)
    require_fit(spikes, weight, bias, feature_dims=1)
    return STRAIGHT_LINEAR(spikes, weight, bias, scale=scale)


def straight_conv2d(
    spikes: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    scale: float = 1.0,
) -> Tensor:
    """Convolve spikes with the signs of weights: `[*K, T, B, C, H, W]` and `[*K, O, C, h, w]`.

    Args:
        spikes: `[T, B, C, H, W]` (shared by all draws) or `[K, T, B, C, H, W]`.
        weight: real values `[O, C, h, w]` or `[K, O, C, h, w]`; at least 0 is +1, else -1.
        bias: `[O]` or `[K, O]`, added at every step as it is.
        stride: step of the kernel.
        padding: zeros on every side.
        scale: multiplies the sum.

    Returns:
        `[*K, T, B, O, H', W']`; its gradient reaches the weight as if the weight were its signs.

    Raises:
        ValueError: an axis count or a size does not fit.

    Source: Courbariaux et al. 2015; ops/synapse/README.md.
    Oracle: tests/ops/test_synapse_straight_conv.py.
    """
    require_ndim(spikes, "spikes", "[*K, T, B, C, H, W]", 5, 6)
    require_ndim(weight, "weight", "[*K, O, C, h, w]", 4, 5)
    require_fit(spikes, weight, bias, feature_dims=3)
    map_after(tuple(spikes.shape[-2:]), tuple(weight.shape[-2:]), stride, padding)
    return STRAIGHT_CONV2D(spikes, weight, bias, stride=stride, padding=padding, scale=scale)


def through_signs(weight: Tensor) -> Tensor:
    """Return -1 and +1 in the weight's shape and dtype; gradients pass as they are."""
    return _Signs.apply(weight)


class _Signs(torch.autograd.Function):
    @staticmethod
    def forward(weight: Tensor) -> Tensor:
        return (weight >= 0).to(weight.dtype).mul_(2).sub_(1)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing is needed backward."""

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


def _reference(spikes: Tensor, weight: Tensor, bias: Tensor | None, *, scale: float) -> Tensor:
    return dense.linear(spikes, through_signs(weight), bias) * scale


def _reference_conv2d(
    spikes: Tensor, weight: Tensor, bias: Tensor | None, *, scale: float, **window: Any
) -> Tensor:
    return dense.conv2d(spikes, through_signs(weight), bias, **window) * scale


STRAIGHT_LINEAR = Op(
    "straight_linear",
    (
        Implementation(
            "cpu",
            from_module("bayesnn_spike.ops.synapse.straight_cpu", "straight_linear"),
            straight_refuses,
        ),
        Implementation("reference", lambda: _reference, never),
    ),
)
STRAIGHT_CONV2D = Op(
    "straight_conv2d",
    (
        Implementation(
            "cpu",
            from_module("bayesnn_spike.ops.synapse.straight_conv_cpu", "straight_conv2d"),
            straight_conv2d_refuses,
        ),
        Implementation("reference", lambda: _reference_conv2d, never),
    ),
)
# So that `explain` takes the function that users know.
straight_linear.op, straight_conv2d.op = STRAIGHT_LINEAR, STRAIGHT_CONV2D
