"""`conv2d` on the CPU for sparse spikes: each active input of a window adds one row of weights.

Spikes of 0 and 1, and means of four of them, are kept as bits. The weight gradient goes event by
event as well, the gradient of the spikes is a dense product. With weights in {-1, +1}
sums are integers and equal the reference bit for bit. Oracle: tests/ops/test_synapse_conv.py,
tests/ops/test_synapse_quarters.py.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from bayesnn_spike.ops._autograd import compiled_gradient
from bayesnn_spike.ops.precision import Precision, in_use
from bayesnn_spike.ops.synapse.conv_rows import (
    Window,
    by_events,
    dense_spike_gradient,
    pack_frames,
    weight_gradient,
    window_between,
)
from bayesnn_spike.ops.synapse.quarters import BINARY, kind, pack_quarters
from bayesnn_spike.ops.synapse.reference import over_time


class _EventConv(torch.autograd.Function):
    """`[D, F, C, H, W]` of 0 and 1 or quarters, `[K, O, C, h, w]` to `[K, F, O, H', W']`."""

    @staticmethod
    def forward(
        x: Tensor, weight: Tensor, window: Window, precision: Precision
    ) -> tuple[Tensor, Tensor]:
        del precision
        binary = kind(x[:, -1:]) == BINARY  # pooled spikes are known by the last frame
        if binary:
            bits, _, binary = pack_frames(x)
        if not binary:
            bits = pack_quarters(x)
        return by_events(bits, window, weight), bits

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        x, weight, ctx.window, ctx.precision = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.size = tuple(x.shape)
        ctx.save_for_backward(output[1], weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Any) -> tuple[Tensor | None, ...]:
        wanted = tuple(ctx.needs_input_grad[:2])
        run = partial(_gradients, wanted, ctx.size, ctx.window, ctx.precision)
        found = iter(compiled_gradient("conv2d", run, grad, *ctx.saved_tensors))
        return *(next(found) if is_wanted else None for is_wanted in wanted), None, None


def _gradients(
    wanted: tuple[bool, bool],
    size: tuple[int, ...],
    window: Window,
    precision: Precision,
    grad: Tensor,
    bits: Tensor,
    weight: Tensor,
) -> tuple[Tensor, ...]:
    found = []
    if wanted[0]:
        found.append(dense_spike_gradient(grad, weight, size[0], window, precision))
    if wanted[1]:
        found.append(weight_gradient(grad, bits, window, tuple(weight.shape)))
    return tuple(found)


def conv2d(
    spikes: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    stride: int | tuple[int, int],
    padding: int | tuple[int, int],
) -> Tensor:
    """`[*K, T, B, C, H, W]` with `[*K, O, C, h, w]` to `[*K, T, B, O, H', W']`."""
    window = window_between(spikes, weight, stride, padding)
    x, kernels, lead = frames_and_draws(spikes, weight, bias)
    maps = _EventConv.apply(x, kernels, window, in_use())[0]
    maps = maps.view(*lead, *maps.shape[2:])
    if bias is None:
        return maps
    return maps + over_time(bias, 3) if len(lead) == 3 else maps + over_time(bias, 3)[0]


def frames_and_draws(
    spikes: Tensor, weight: Tensor, bias: Tensor | None
) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """Spikes as `[D, F, C, H, W]`, the weight as `[K, O, C, h, w]`, and `(*K, T, B)`.

    D is K, or 1 where all draws share the spikes. Draws of spikes that share one weight are frames.
    """
    steps, batch = spikes.shape[-5:-3]
    has_draws = spikes.ndim == 6 or weight.ndim == 5 or (bias is not None and bias.ndim == 2)
    weight = weight if weight.ndim == 5 else weight[None]
    own = len(spikes) if spikes.ndim == 6 else 1
    kept = own if len(weight) == own else 1
    x = spikes.reshape(kept, own // kept * steps * batch, *spikes.shape[-3:])
    draws = max(own, len(weight))
    return x, weight, (draws, steps, batch) if has_draws else (steps, batch)
