"""A convolution as sums over rows of windows, some frames at a time; forward and backward.

What is held besides arguments and results is a few thousand rows, or the rows of one frame,
whatever K, T and B are. Every sum has one order: neither the number of threads nor K changes it.
Oracle: tests/ops/test_synapse_conv.py, tests/ops/test_synapse_straight_conv.py.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops.precision import Precision, in_precision
from bayesnn_spike.ops.synapse import events, tables
from bayesnn_spike.ops.synapse.lists import Geometry
from bayesnn_spike.ops.synapse.maps import fold, pack_maps, to_maps, to_rows, windows
from bayesnn_spike.ops.synapse.scatter import scatter
from bayesnn_spike.ops.synapse.shapes import map_after, pair

_U64, _F32 = np.uint64, np.float32
# Rows that are worked on at once: their cotangents for 32 outputs stay in the cache.
_ROWS = 2048


class Window(NamedTuple):
    """A convolution of maps with C channels.

    Attributes:
        geometry: of the maps and the kernel.
        channels: C.
    """

    geometry: Geometry
    channels: int

    @property
    def inputs(self) -> int:
        """Inputs of an output position."""
        return self.geometry.taps * self.channels


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


def _by_channel(rows: Tensor, like: tuple[int, ...]) -> Tensor:
    draws, outputs, channels, height, width = like
    return rows.view(draws, outputs, height, width, channels).permute(0, 1, 4, 2, 3).contiguous()


def _frames(count: int, geometry: Geometry) -> Iterator[slice]:
    some = max(1, _ROWS // max(geometry.positions, 1))
    for first in range(0, count, some):
        yield slice(first, min(first + some, count))


def currents(
    bits: Tensor,
    window: Window,
    shape: tuple[int, int],
    offset: Tensor | None,
    scale: float,
    multiply: Callable[[np.ndarray, np.ndarray], Callable[[int], np.ndarray]],
) -> Tensor:
    """Sum up every row for every draw.

    Args:
        bits: active inputs, int64 `[D, F, P, W]`; D is K, or 1 where draws share the spikes.
        window: the convolution.
        shape: (K, O).
        offset: `[K, O]`, added to the sums.
        scale: multiplies them then.
        multiply: takes rows of words and their ones, returns what maps k to float32 `[R, O]`.

    Returns:
        float32 `[K, F, O, H', W']`.
    """
    (draws, outputs), geometry = shape, window.geometry
    out = np.empty((draws, bits.shape[1], outputs, geometry.positions), _F32)
    words = bits.numpy().view(_U64)
    more = (
        np.zeros((draws, outputs), _F32) if offset is None else offset.detach().contiguous().numpy()
    )
    for some in _frames(bits.shape[1], geometry):
        for d in range(len(bits)):
            sums = multiply(*windows(words[d, some], geometry, window.channels))
            for k in range(draws) if len(bits) == 1 else (d,):
                rows = sums(k).reshape(-1, geometry.positions, outputs)
                to_maps(rows, more[k], scale, out[k, some])
    return torch.from_numpy(out).unflatten(3, (geometry.out_height, geometry.out_width))


def gradients(
    grad: Tensor,
    bits: Tensor,
    window: Window,
    kernels: tuple[int, ...] | None,
    signs: np.ndarray | None,
    scale: float,
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of the spikes and of the weights, in one pass over the cotangents.

    Args:
        grad: the cotangents `[K, F, O, H', W']`.
        bits: active inputs, int64 `[D, F, P, W]`.
        window: the convolution.
        kernels: `(K, O, C, h, w)` where the gradient of the weights is wanted.
        signs: by input (`rows_by_input`, in the order of a row) where that of the spikes is.
        scale: multiplies the cotangents.

    Returns:
        `[D, F, C, H, W]` or None, and `[K, O, C, h, w]` or None.
    """
    if kernels is None and signs is None:
        return None, None
    geometry, inputs = window.geometry, window.inputs
    g, words = grad.detach().contiguous().flatten(3).numpy(), bits.numpy().view(_U64)
    sides = (geometry.height, geometry.width)
    dx = dw = None
    if signs is not None:
        dx = np.empty((*bits.shape[:2], window.channels, bits.shape[2]), _F32)
    if kernels is not None:
        dw = np.zeros((len(g), g.shape[2], inputs), _F32)
    for some in _frames(bits.shape[1], geometry):
        for d in range(len(bits)):
            if dw is not None:
                seen, _ = windows(words[d, some], geometry, window.channels)
                lists = events.by_input(seen[None], inputs, None)
            for k in range(len(g)) if len(bits) == 1 else (d,):
                rows = to_rows(g[k, some])[None]
                if dw is not None:
                    dw[k] += scatter(lists, rows, inputs, scale)[0]
                if dx is not None:
                    part = tables.multiply(signs[k : k + 1], rows, 1, scale)
                    part = part.reshape(-1, geometry.positions, inputs)
                    here = dx[d, some]
                    to = here if k == d else np.empty_like(here)
                    fold(part, geometry, to)
                    if k != d:
                        here += to
    return (
        None if dx is None else torch.from_numpy(dx).unflatten(3, sides),
        None if dw is None else _by_channel(torch.from_numpy(dw), kernels),
    )


def dense_gradients(
    grad: Tensor,
    x: Tensor | None,
    weight: Tensor | None,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    geometry: Geometry,
    precision: Precision,
) -> tuple[Tensor | None, Tensor | None]:
    """As `gradients`, by the library's convolutions.

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
