"""`straight_conv2d` on the CPU: windows of bits forward, events and tables backward.

Forward the packed signs are counted for every row of a window: integers, so every float32 is the
reference's. Backward the weight gradient goes through events, or is the library's where spikes are
dense, and the gradient of the spikes through tables of sums, folded back into maps.
Oracle: tests/ops/test_synapse_straight_conv.py.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops._autograd import compiled_gradient
from bayesnn_spike.ops.precision import Float32, Precision, in_use
from bayesnn_spike.ops.synapse import conv2d
from bayesnn_spike.ops.synapse.choice import MAX_DENSITY, seems_binary
from bayesnn_spike.ops.synapse.conv_cpu import frames_and_draws
from bayesnn_spike.ops.synapse.conv_rows import (
    Window,
    by_tap,
    dense_gradients,
    pack_frames,
    weight_gradient,
    window_between,
)
from bayesnn_spike.ops.synapse.reference import over_time
from bayesnn_spike.ops.synapse.straight import through_signs
from bayesnn_spike.ops.synapse.straight_cpu import signs_by_input
from bayesnn_spike.ops.synapse.straight_rows import currents, spike_gradient

_U64 = np.uint64


class _How(NamedTuple):
    """What is no tensor.

    Attributes:
        window: the convolution.
        scale: of the currents.
        precision: of dense products.
        dense: whether the weight gradient is one.
    """

    window: Window
    scale: float
    precision: Precision
    dense: bool


class _StraightConv(torch.autograd.Function):
    """x `[D, F, C, H, W]`, `[K, O, C, h, w]`, offset `[K, O]` to `[K, F, O, H', W']`."""

    @staticmethod
    def forward(
        x: Tensor, weight: Tensor, offset: Tensor | None, bits: Tensor, how: _How
    ) -> tuple[Tensor, Tensor]:
        del x
        signs = signs_by_input(by_tap(weight))

        maps = currents(bits, how.window, signs, weight.shape[1], offset, how.scale)
        return maps, torch.from_numpy(signs.view(np.int64))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        x, weight, _, bits, ctx.how = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.size = tuple(x.shape)
        ctx.save_for_backward(bits, output[1], weight, x if ctx.how.dense else None)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Any) -> tuple[Tensor | None, ...]:
        wanted = tuple(ctx.needs_input_grad[:3])
        run = partial(_gradients, wanted, ctx.size, ctx.how)
        found = iter(compiled_gradient("straight_conv2d", run, grad, *ctx.saved_tensors))
        return *(next(found) if is_wanted else None for is_wanted in wanted), None, None


def _gradients(
    wanted: tuple[bool, bool, bool],
    size: tuple[int, ...],
    how: _How,
    grad: Tensor,
    bits: Tensor,
    signs: Tensor,
    weight: Tensor,
    x: Tensor | None,
) -> tuple[Tensor, ...]:
    shapes, window = (size, tuple(weight.shape)), how.window
    by_tables = wanted[0] and isinstance(how.precision, Float32)
    dx = dw = None
    if by_tables:
        dx = spike_gradient(grad, size[0], window, signs.numpy().view(_U64), how.scale)
    if wanted[1] and not how.dense:
        dw = weight_gradient(grad, bits, window, shapes[1], how.scale)
    if (wanted[0] and not by_tables) or (wanted[1] and how.dense):
        w = through_signs(weight.detach()) if wanted[0] and not by_tables else None
        some = x if wanted[1] and how.dense else None
        found = dense_gradients(grad * how.scale, some, w, shapes, window.geometry, how.precision)
        dx, dw = dx if w is None else found[0], dw if some is None else found[1]
    offset = grad.sum((1, 3, 4)) * how.scale if wanted[2] else None
    return tuple(found for found in (dx, dw, offset) if found is not None)


def straight_conv2d(
    spikes: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    stride: int | tuple[int, int],
    padding: int | tuple[int, int],
    scale: float,
) -> Tensor:
    """`[*K, T, B, C, H, W]` with the signs of `[*K, O, C, h, w]` to `[*K, T, B, O, H', W']`."""
    x, kernels, lead = frames_and_draws(spikes, weight, bias)
    bits, density, binary = pack_frames(x) if seems_binary(spikes) else (None, 0.0, False)
    if not binary:
        maps = conv2d(spikes, through_signs(weight), bias, stride=stride, padding=padding)
        return maps * scale
    window = window_between(spikes, weight, stride, padding)
    # A bias for every draw of spikes that share one weight is added outside.
    outside = bias is not None and bias.ndim == 2 and len(bias) not in (1, len(kernels))
    offset = None
    if bias is not None and not outside:
        offset = bias.reshape(-1, bias.shape[-1]).expand(len(kernels), -1)
    how = _How(window, 1.0 if outside else scale, in_use(), density > MAX_DENSITY)
    maps = _StraightConv.apply(x, kernels, offset, bits, how)[0]
    maps = maps.view(*lead, *maps.shape[2:])
    return (maps + over_time(bias, 3)) * scale if outside else maps
