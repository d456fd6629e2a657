"""Convolutions of packed spikes: what they work on, sums over events, and dense gradients.

Sums over events go frame by frame: what is held besides arguments and results is some frames of
each thread, whatever K, T and B are. Every sum has one order: neither the number of threads nor K
changes it. Oracle: tests/ops/test_synapse_conv.py, tests/ops/test_synapse_straight_conv.py.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops._memory import empty
from bayesnn_spike.ops.bits import words_for
from bayesnn_spike.ops.precision import Float32, Precision, in_precision
from bayesnn_spike.ops.synapse import winograd
from bayesnn_spike.ops.synapse.conv_gather import conv_gather, in_blocks
from bayesnn_spike.ops.synapse.conv_scatter import conv_scatter
from bayesnn_spike.ops.synapse.lists import Geometry
from bayesnn_spike.ops.synapse.maps import pack_maps
from bayesnn_spike.ops.synapse.shapes import map_after, pair

_U64 = np.uint64


class Window(NamedTuple):
    """A convolution of maps with C channels.

    Attributes:
        geometry: of the maps and the kernel.
        channels: C.
    """

    geometry: Geometry
    channels: int


def window_between(
    spikes: Tensor, weight: Tensor, stride: int | tuple[int, int], padding: int | tuple[int, int]
) -> Window:
    """The window of kernels `[*K, O, C, h, w]` on maps `[*K, T, B, C, H, W]`."""
    before, kernel = tuple(spikes.shape[-2:]), tuple(weight.shape[-2:])
    after = map_after(before, kernel, stride, padding)
    geometry = Geometry(*before, *kernel, *pair(stride), *pair(padding), *after)
    return Window(geometry, spikes.shape[-3])


def pack_frames(x: Tensor) -> tuple[Tensor, float, bool]:
    """Pack maps `[D, F, C, H, W]`.

    Returns:
        Words int64 `[D, F, P, W]`, the share of inputs that are not 0, whether all others are 1.
    """
    numbers = x.detach().contiguous().numpy().reshape(-1, x.shape[2], x.shape[3] * x.shape[4])
    words, active, binary = pack_maps(numbers)
    packed = torch.from_numpy(words.view(np.int64)).view(*x.shape[:2], *words.shape[1:])
    return packed, active / max(x.numel(), 1), binary


def by_tap(weight: Tensor) -> np.ndarray:
    """Kernels `[K, O, C, h, w]` in the order of a row's inputs, float32 `[K, O, taps C]`."""
    return weight.detach().permute(0, 1, 3, 4, 2).flatten(2).contiguous().numpy()


def by_events(bits: Tensor, window: Window, weight: Tensor) -> Tensor:
    """Convolve event by event.

    Args:
        bits: int64 `[D, F, P, W]` of spikes, or `[D, F, P, 3 W]` of quarters; D is K, or 1 where
            draws share the spikes.
        window: the convolution.
        weight: `[K, O, C, h, w]`.

    Returns:
        float32 `[K, F, O, H', W']`.
    """
    geometry = window.geometry
    out = empty(len(weight), bits.shape[1], weight.shape[1], geometry.positions)
    words, planes = _frames_of(bits, window)
    weights = in_blocks(weight)
    conv_gather(words, planes, geometry, window.channels, weights, out.numpy())
    return out.unflatten(3, (geometry.out_height, geometry.out_width))


def weight_gradient(
    grad: Tensor, bits: Tensor, window: Window, kernels: tuple[int, ...], scale: float = 1.0
) -> Tensor:
    """The gradient of the weights, event by event, times scale.

    Args:
        grad: the cotangents `[K, F, O, H', W']`.
        bits: as of `by_events`.
        window: the convolution.
        kernels: `(K, O, C, h, w)`, the shape of the result.
        scale: a number.
    """
    words, planes = _frames_of(bits, window)
    maps = grad.detach().contiguous().flatten(3).numpy()
    sums = conv_scatter(words, planes, window.geometry, window.channels, maps)
    by_channel = torch.from_numpy(sums).unflatten(2, kernels[3:]).permute(0, 1, 4, 2, 3)
    return by_channel.contiguous() if scale == 1 else by_channel.contiguous().mul_(scale)


def _frames_of(bits: Tensor, window: Window) -> tuple[np.ndarray, int]:
    """The words of all frames, and of how many planes they are."""
    words = bits.flatten(0, 1).numpy().view(_U64)
    return words, words.shape[2] // words_for(window.channels)


def dense_spike_gradient(
    grad: Tensor, weight: Tensor, draws: int, window: Window, precision: Precision
) -> Tensor:
    """The gradient of the spikes for weights that are numbers, a dense product.

    Args:
        grad: the cotangents `[K, F, O, H', W']`.
        weight: `[K, O, C, h, w]`.
        draws: D: K, or 1 where draws share the spikes.
        window: the convolution.
        precision: of the product.

    Returns:
        `[D, F, C, H, W]`.
    """
    geometry = window.geometry
    sides = (geometry.height, geometry.width)
    if not isinstance(precision, Float32) or not winograd.fits(geometry, window.channels):
        shapes = ((draws, grad.shape[1], window.channels, *sides), tuple(weight.shape))
        return dense_gradients(grad, None, weight, shapes, geometry, precision)[0]
    g, numbers = grad.detach().contiguous().flatten(3).numpy(), weight.detach().numpy()
    dx = empty(draws, g.shape[1], window.channels, geometry.height * geometry.width)
    out = dx.numpy()
    for k in range(len(g)):
        d = k % draws
        kernels = winograd.turned_kernels(numbers[k])
        winograd.spike_gradient(g[k], kernels, geometry, out[d], add=k != d)
    return dx.unflatten(3, sides)


def dense_gradients(
    grad: Tensor,
    x: Tensor | None,
    weight: Tensor | None,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    geometry: Geometry,
    precision: Precision,
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of the spikes and of the weights by the library's convolutions.

    Args:
        grad: the cotangents `[K, F, O, H', W']`.
        x: spikes `[D, F, C, H, W]` where the gradient of the weights is wanted.
        weight: `[K, O, C, h, w]` where that of the spikes is.
        shapes: of the spikes and of the weight.
        geometry: of the convolution.
        precision: of the products.
    """
    stride, padding = (geometry.stride_y, geometry.stride_x), (geometry.pad_y, geometry.pad_x)
    dx: list[Tensor] = []
    dw: list[Tensor] = []

    def of_spikes(g: Tensor, w: Tensor) -> Tensor:
        return torch.nn.grad.conv2d_input(shapes[0][1:], w, g, stride, padding)

    def of_kernels(g: Tensor, x: Tensor) -> Tensor:
        return torch.nn.grad.conv2d_weight(x, shapes[1][1:], g, stride, padding)

    for k, g in enumerate(grad):
        d = k % shapes[0][0]
        if weight is not None:
            part = in_precision(of_spikes, g, weight[k], how=precision)
            if k == d:
                dx.append(part)
            else:
                dx[d] += part
        if x is not None:
            dw.append(in_precision(of_kernels, g, x[d], how=precision))
    return _stacked(dx), _stacked(dw)


def _stacked(parts: list[Tensor]) -> Tensor | None:
    """All parts as one tensor; the copy is saved where there is only one."""
    if not parts:
        return None
    return parts[0][None] if len(parts) == 1 else torch.stack(parts)
