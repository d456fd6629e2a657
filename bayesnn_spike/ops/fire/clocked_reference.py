"""The oracle of `clocked_fire`: the loop over time that the README's equations describe."""

from typing import Any

import torch
from torch import Tensor

from bayesnn_spike.ops.fire.spike_time import Delayed, Order, RatioSurrogate
from bayesnn_spike.ops.fire.surrogate import Comparison


class _ClockedSpike(torch.autograd.Function):
    """1 where u reaches V; backward the slope of z = u / V - 1, towards u and V."""

    @staticmethod
    def forward(
        u: Tensor, v: Tensor, clock: Tensor, surrogate: RatioSurrogate, comparison: Comparison
    ) -> Tensor:
        return comparison(u - v)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        u, v, clock, ctx.surrogate, _ = inputs
        ctx.save_for_backward(u, v, clock)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        u, v, clock = ctx.saved_tensors
        slope = ctx.surrogate.slope(u / v - 1, clock)
        du = cotangent * (slope / v if ctx.surrogate.scale_by_threshold else slope)
        return du, -du * (u / v), None, None, None


def clocked_fire(
    current: Tensor,
    membrane: Tensor,
    clock: Tensor,
    v_threshold: Tensor,
    leak: Tensor,
    *,
    time_dim: int,
    surrogate: RatioSurrogate,
    order: Order,
    comparison: Comparison,
) -> tuple[Tensor, Tensor, Tensor]:
    """Spikes, last membrane, last clock."""
    u, v, spikes = membrane, v_threshold.expand_as(membrane), []
    for i in current.unbind(time_dim):
        if isinstance(order, Delayed):
            o = _ClockedSpike.apply(u, v, clock, surrogate, comparison)
            u = leak * u + i - v * o.detach()
        else:
            u = leak * u + i
            o = _ClockedSpike.apply(u, v, clock, surrogate, comparison)
            u = u - v * o.detach()
        clock = torch.where(o.detach() > 0, 1, clock + 1)
        spikes.append(o)
    return torch.stack(spikes, time_dim), u, clock
