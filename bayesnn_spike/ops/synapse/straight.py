"""Currents of weights that stand for their signs: packed forward, straight through backward.

y = scale (x sign(v)^T + bias)      sign(v) = +1 for v >= 0, else -1
dL/dv = dL/dsign(v)         the sign passes its gradient as it is
"""

from typing import Any

import torch
from torch import Tensor

from bayesnn_spike.checks import require_ndim
from bayesnn_spike.ops._dispatch import Implementation, Op, from_module, never
from bayesnn_spike.ops.synapse import dense
from bayesnn_spike.ops.synapse.choice import straight_refuses
from bayesnn_spike.ops.synapse.shapes import require_fit


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
# So that `explain` takes the function that users know.
straight_linear.op = STRAIGHT_LINEAR
