"""`signed_linear` and `signed_conv2d` on a GPU: currents, with signs drawn inside the kernel.

A program keeps the signs of some outputs in registers, as bits, and takes several tiles of columns
past them; they never are in the device's memory. Oracle: tests/ops/test_synapse_triton.py.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from bayesnn_spike.ops.bits import words_for
from bayesnn_spike.ops.draw.signs import Signs
from bayesnn_spike.ops.draw.triton import PLAIN
from bayesnn_spike.ops.spikes import PackedSpikes
from bayesnn_spike.ops.synapse.product import Geometry, hold, launch, operands, product
from bayesnn_spike.ops.synapse.shapes import window_of

# Sides of a tile, at most: 64 float32 sums a thread.
_SIDE = 128
# Programs that keep every processor of a large GPU busy.
_PROGRAMS = 528
_ROWS = 128


@triton.jit
def _pack_kernel(spikes, out, rows, channels, places, halves, filled, BLOCK: tl.constexpr):
    """`[F, C, places]` to half words `[F, places, halves]`; anything but zero is a spike.

    The first `filled` halves have channels, the last may have none and is not written.
    """
    pid = tl.program_id(0)
    half = (pid % filled).to(tl.int64)
    row = (pid // filled).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    channel = 32 * half + tl.arange(0, 32)
    start = row // places * channels * places + row % places
    there = (row < rows)[:, None] & (channel < channels)[None, :]
    at = start[:, None] + channel[None, :] * places
    value = tl.load(spikes + at, mask=there, other=0)
    bits = (value != 0).to(tl.int32) << tl.arange(0, 32)[None, :]
    tl.store(out + row * halves + half, tl.sum(bits, 1), mask=row < rows)


@triton.jit(do_not_specialize=PLAIN)
def _currents_kernel(
    spikes, weights, bias, out, frames, spike_step, bias_step, groups, bands, rows,
    key0, key1, first, G: tl.constexpr, TILE: tl.constexpr, TURNS: tl.constexpr,
):  # fmt: skip
    """out `[K, frames, M, places]`; a program does `TURNS` tiles of columns with the same signs."""
    pid = tl.program_id(0)
    k = (pid // groups // bands).to(tl.int64)
    row = (pid // groups % bands).to(tl.int64) * TILE.outputs + tl.arange(0, TILE.outputs)
    held = hold(weights, k, row, rows, key0, key1, first, G, TILE)
    for turn in range(TURNS):
        tile = (pid % groups).to(tl.int64) * TURNS + turn
        column = tile * TILE.columns + tl.arange(0, TILE.columns)
        frame, place = column // G.places, (column % G.places).to(tl.int32)
        there = frame < frames
        top = place // G.out_width * G.stride_y - G.padding_y
        left = place % G.out_width * G.stride_x - G.padding_x
        total = product(
            spikes, weights, held, k, row, k * spike_step + frame, top, left, there,
            rows, key0, key1, first, G, TILE,
        )  # fmt: skip
        exists = row < rows
        if bias is not None:
            total += tl.load(bias + k * bias_step + row, mask=exists, other=0.0)[None, :]
        at = ((k * frames + frame[:, None]) * rows + row[None, :]) * G.places + place[:, None]
        tl.store(out + at, total, mask=there[:, None] & exists[None, :])


def signed_linear(spikes: Tensor | PackedSpikes, signs: Signs, bias: Tensor | None) -> Tensor:
    """Currents `[K, T, B, M]`."""
    return _currents(pack(spikes, 1), signs, bias, Geometry(signs.size[1]))[..., 0]


def signed_conv2d(
    spikes: Tensor | PackedSpikes,
    signs: Signs,
    bias: Tensor | None,
    *,
    stride: int | tuple[int, int],
    padding: int | tuple[int, int],
) -> Tensor:
    """Currents `[K, T, B, O, H', W']`."""
    geometry = geometry_of(spikes, signs, stride, padding)
    currents = _currents(pack(spikes, 3), signs, bias, geometry)
    return currents.unflatten(-1, (geometry.out_height, geometry.out_width))


def pack(spikes: Tensor | PackedSpikes, feature_dims: int) -> PackedSpikes:
    """Pack spikes `[*lead, *features]`; the dispatcher has made sure that they are 0 and 1."""
    if isinstance(spikes, PackedSpikes):
        return spikes
    lead, features = spikes.shape[:-feature_dims], tuple(spikes.shape[-feature_dims:])
    channels, *size = features
    shape = (*lead, *size, words_for(channels))
    words = torch.zeros(shape, dtype=torch.int64, device=spikes.device)
    if words.numel():
        spikes = spikes.detach().contiguous()
        spikes = spikes.view(torch.uint8) if spikes.dtype == torch.bool else spikes
        rows, filled = words.numel() // shape[-1], triton.cdiv(channels, 32)
        _pack_kernel[(triton.cdiv(rows, _ROWS) * filled,)](
            spikes, words.view(torch.int32), rows, channels, size[0] * size[1] if size else 1,
            2 * shape[-1], filled, BLOCK=_ROWS,
        )  # fmt: skip
    return PackedSpikes(words, features)


def geometry_of(
    spikes: Tensor | PackedSpikes,
    signs: Signs,
    stride: int | tuple[int, int],
    padding: int | tuple[int, int],
) -> Geometry:
    """Return the convolution of these spikes and signs as kernels see it."""
    return Geometry(signs.size[1], *window_of(spikes, signs, stride, padding))


def _currents(
    spikes: PackedSpikes, signs: Signs, bias: Tensor | None, geometry: Geometry
) -> Tensor:
    """`[K, T, B, M, places]`."""
    steps, batch = spikes.lead[-2:]
    outputs, columns = signs.size[0], steps * batch * geometry.places
    shape = (signs.draws, steps, batch, outputs, geometry.places)
    out = torch.empty(shape, dtype=torch.float32, device=spikes.device)
    if not out.numel():
        return out
    sides = [min(_SIDE, max(16, triton.next_power_of_2(n))) for n in (columns, outputs)]
    arguments = operands(spikes, signs, bias, geometry, *sides)
    tile = arguments["TILE"]
    tiles, bands = triton.cdiv(columns, tile.columns), triton.cdiv(outputs, tile.outputs)
    # A power of two: a kernel is compiled for each number of turns.
    turns = triton.next_power_of_2(triton.cdiv(signs.draws * bands * tiles, _PROGRAMS))
    groups = triton.cdiv(tiles, turns)
    _currents_kernel[(signs.draws * bands * groups,)](
        **arguments, **launch(tile), out=out, frames=steps * batch, groups=groups, bands=bands,
        TURNS=turns,
    )  # fmt: skip
    return out
