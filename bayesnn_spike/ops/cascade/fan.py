"""Where the spikes of one layer go in the next: output places and rows of weights.

A place is a number of (pixel, channel), channels innermost and padded to sixteen. Average pools
between the layers are part of the fan: their spikes go where the pooled map's would, and weights
are divided by the size of the window.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops.cascade.chain import Layer
from bayesnn_spike.ops.synapse.shapes import map_after

GROUP = 16
# Places are numbered in int32.
MOST = (1 << 31) - 1


class Fan(NamedTuple):
    """Targets of every pixel, as runs of neighbouring membranes.

    Attributes:
        starts: int64 `[P + 1]`; the runs of pixel p are entries starts[p] to starts[p + 1].
        targets: int64, first membrane of a run.
        offsets: int64, first weight of it in the block of the spike's channel.
        lengths: int64, numbers of it, a multiple of sixteen.
        block: weights of a channel.
    """

    starts: np.ndarray
    targets: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray
    block: int


def padded(channels: int) -> int:
    """The next multiple of sixteen."""
    return -(-channels // GROUP) * GROUP


def places(shape: tuple[int, ...]) -> int:
    """Membranes of a layer `(N,)` or `(C, H, W)`, with those that fill channels up."""
    return padded(shape[0]) * math.prod(shape[1:])


def fan_of(layer: Layer, shape: tuple[int, ...]) -> tuple[Fan, np.ndarray]:
    """The fan of spikes of features `shape` through a layer's pools and synapse, and its rows."""
    if layer.weight.ndim == 4:
        return conv_fan(shape, layer.pools, layer.weight, *layer.window())
    return linear_fan(shape, layer.pools, layer.weight)


def pooled_pixels(shape: tuple[int, int], pools: tuple[int, ...]) -> tuple[np.ndarray, tuple]:
    """Number every pixel of a map by the pixel of the pooled map that it is part of.

    Args:
        shape: height and width.
        pools: sides of windows that do not overlap, in order.

    Returns:
        int64 `[H W]`, -1 for pixels that are left out, and the shape of the pooled map.
    """
    y, x = np.divmod(np.arange(shape[0] * shape[1]), shape[1])
    inside = np.ones(len(y), bool)
    for side in pools:
        y, x, shape = y // side, x // side, (shape[0] // side, shape[1] // side)
        inside &= (y < shape[0]) & (x < shape[1])
    return np.where(inside, y * shape[1] + x, -1), shape


def conv_fan(
    maps: tuple[int, int, int],
    pools: tuple[int, ...],
    weight: Tensor,
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> tuple[Fan, np.ndarray]:
    """The fan of a convolution `[O, C, h, w]` behind pools of maps `[C, H, W]`.

    Returns:
        The fan, and rows float32 `[C h w padded(O)]` flat.
    """
    pixel, (height, width) = pooled_pixels(maps[1:], pools)
    outputs, _, high, wide = weight.shape
    after = map_after((height, width), (high, wide), stride, padding)
    per = padded(outputs)
    starts, targets, offsets, lengths = [0], [], [], []
    for p in pixel:
        y, x = divmod(int(p), width)
        # The columns of the kernel are turned round: neighbours in the output are neighbours there.
        for i in range(high) if p >= 0 else ():
            row, odd = divmod(y + padding[0] - i, stride[0])
            if odd or not 0 <= row < after[0]:
                continue
            for j in range(wide):
                column, odd = divmod(x + padding[1] - (wide - 1 - j), stride[1])
                if odd or not 0 <= column < after[1]:
                    continue
                target, offset = (row * after[1] + column) * per, (i * wide + j) * per
                joins = len(targets) > starts[-1] and (
                    targets[-1] + lengths[-1] == target and offsets[-1] + lengths[-1] == offset
                )
                if joins:
                    lengths[-1] += per
                    continue
                targets.append(target)
                offsets.append(offset)
                lengths.append(per)
        starts.append(len(targets))
    rows = weight.flip(3).permute(1, 2, 3, 0) / math.prod(side * side for side in pools)
    fan = Fan(*map(_array, (starts, targets, offsets, lengths)), high * wide * per)
    return fan, _rows(rows, per)


def linear_fan(
    maps: tuple[int, ...], pools: tuple[int, ...], weight: Tensor
) -> tuple[Fan, np.ndarray]:
    """The fan of a linear layer `[M, N]` behind pools and a flattening of maps, or behind vectors.

    Returns:
        The fan, and rows float32 `[N padded(M)]` flat.
    """
    pixel, shape = pooled_pixels(maps[1:] or (1, 1), pools)
    per, inside = padded(len(weight)), pixel >= 0
    starts = np.concatenate([[0], np.cumsum(inside)])
    rows = weight.view(len(weight), maps[0], math.prod(shape)).permute(1, 2, 0)
    rows = rows / math.prod(side * side for side in pools)
    offsets = pixel[inside] * per
    lengths = np.full(len(offsets), per)
    block = math.prod(shape) * per
    fan = Fan(*map(_array, (starts, np.zeros_like(offsets), offsets, lengths)), block)
    return fan, _rows(rows, per)


def _rows(weights: Tensor, per: int) -> np.ndarray:
    """Weights `[C, ..., O]` with O padded by zeros, flat."""
    more = torch.nn.functional.pad(weights.detach().float(), (0, per - weights.shape[-1]))
    return more.contiguous().view(-1).numpy()


def _array(values: object) -> np.ndarray:
    return np.asarray(values, np.int64)
