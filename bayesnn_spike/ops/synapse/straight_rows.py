"""Convolutions with signs by rows of windows: what a unit of work does with some frames.

Forward: windows of bits, counts of signs, maps. Backward, for the gradient of the spikes: rows of
cotangents, tables of sums, windows folded into maps. A thread does all of it for its frames, with
memory of its own, whatever K, T and B are. Every sum has one order: neither the number of threads
nor K changes it. Oracle: tests/ops/test_synapse_straight_conv.py.
"""

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._memory import empty
from bayesnn_spike.ops._threads import parallel
from bayesnn_spike.ops.synapse import maps, tables
from bayesnn_spike.ops.synapse.conv_rows import Window
from bayesnn_spike.ops.synapse.straight_cpu import count_rows, width_for

_F32, _U64 = np.float32, np.uint64
_1 = _F32(1)
# Rows that are worked on at once: numbers of all their inputs are held backward.
_ROWS = 512


@jit
def _forward(width, strip, words, geometry, channels, signs, offset, scale, some, out, start, stop):
    """words `[D, F, P, W]`, signs `[K, NB, N + 1, bw]`, offset `[K, O]`, out `[K, F, O, P']`.

    Units are (d, `some` frames); D is K, or 1 where draws share the spikes.
    """
    draws, frames, outputs, positions = out.shape
    chunks, own = (frames + some - 1) // some, len(words) == draws
    size = (signs.shape[2] + 62) // 64
    seen = np.empty((some, positions, size), np.uint64)
    space = np.empty(some * positions * outputs, np.float32)
    for index in range(start, stop):
        d, first = index // chunks, index % chunks * some
        few = min(some, frames - first)
        maps.windows(words[d, first : first + few], geometry, channels, seen, 0, few)
        rows = seen.reshape(some * positions, size)[: few * positions]
        sums = space[: few * positions * outputs]
        for k in range(d if own else 0, d + 1 if own else draws):
            found = sums.reshape(1, few * positions, outputs)
            count_rows(width, strip, rows, signs[k : k + 1], _1, found, 0, few * positions)
            by_frame = sums.reshape(few, positions, outputs)
            maps.to_maps(by_frame, offset[k], scale, out[k, first : first + few], 0, few)


def currents(
    bits: Tensor,
    window: Window,
    signs: np.ndarray,
    outputs: int,
    offset: Tensor | None,
    scale: float,
) -> Tensor:
    """Add up the signs of what every output position sees.

    Args:
        bits: active inputs, int64 `[D, F, P, W]`; D is K, or 1 where draws share the spikes.
        window: the convolution.
        signs: by input (`signs_by_input`, in the order of a row), of K draws.
        outputs: O.
        offset: `[K, O]`, added to the sums.
        scale: multiplies them then.

    Returns:
        float32 `[K, F, O, H', W']`.
    """
    geometry, draws, frames = window.geometry, len(signs), bits.shape[1]
    found = empty(draws, frames, outputs, geometry.positions)
    more = (
        torch.zeros(draws, outputs, dtype=torch.float32)
        if offset is None
        else offset.detach().contiguous()
    )
    some, width = _frames(geometry.positions), width_for(signs)
    args = (bits.numpy().view(_U64), geometry, window.channels, signs, more.numpy(), _F32(scale))
    out = found.numpy()
    parallel(
        lambda i, j: _forward(width, width.count, *args, some, out, i, j),
        len(bits) * -(-frames // some),
    )
    return found.unflatten(3, (geometry.out_height, geometry.out_width))


@jit
def _backward(words, grad, geometry, scale, some, out, start, stop):
    """words `[K, LW, N]` (`tables.by_word`), grad `[K, F, O, P']`, out `[D, F, C, P]`.

    Units are (d, `some` frames); D is K, or 1 where draws share the spikes.
    """
    draws, frames, outputs, positions = grad.shape
    chunks, own = (frames + some - 1) // some, len(out) == draws
    inputs, size = words.shape[2], out.shape[2] * out.shape[3]
    rows = np.empty(some * positions * outputs, np.float32)
    parts = np.empty(some * positions * inputs, np.float32)
    more = np.empty(0 if own else some * size, np.float32)
    for index in range(start, stop):
        d, first = index // chunks, index % chunks * some
        few = min(some, frames - first)
        count, here = few * positions, out[d, first : first + few]
        for k in range(d if own else 0, d + 1 if own else draws):
            turned = rows[: count * outputs]
            maps.to_rows(
                grad[k, first : first + few], turned.reshape(few, positions, outputs), 0, few
            )
            part = parts[: count * inputs]
            tables._multiply(
                words[k : k + 1],
                turned.reshape(1, count, outputs),
                scale,
                part.reshape(1, count, inputs),
                0,
                (count + 15) // 16,
            )
            by_frame = part.reshape(few, positions, inputs)
            if own or k == 0:
                maps.fold(by_frame, geometry, here, 0, few)
            else:
                to = more[: few * size]
                maps.fold(by_frame, geometry, to.reshape(here.shape), 0, few)
                flat = here.reshape(-1)
                for i in range(to.size):
                    flat[i] += to[i]


def spike_gradient(
    grad: Tensor, draws: int, window: Window, signs: np.ndarray, scale: float
) -> Tensor:
    """The gradient of the spikes.

    Args:
        grad: the cotangents `[K, F, O, H', W']`.
        draws: D: K, or 1 where draws share the spikes.
        window: the convolution.
        signs: as of `currents`.
        scale: multiplies the cotangents.

    Returns:
        `[D, F, C, H, W]`.
    """
    geometry, frames = window.geometry, grad.shape[1]
    found = empty(draws, frames, window.channels, geometry.height * geometry.width)
    g, words, out = (
        grad.detach().contiguous().flatten(3).numpy(),
        tables.by_word(signs),
        found.numpy(),
    )
    some = _frames(geometry.positions)
    parallel(
        lambda i, j: _backward(words, g, geometry, _F32(scale), some, out, i, j),
        draws * -(-frames // some),
    )
    return found.unflatten(3, (geometry.height, geometry.width))


def _frames(positions: int) -> int:
    return max(1, _ROWS // max(positions, 1))
