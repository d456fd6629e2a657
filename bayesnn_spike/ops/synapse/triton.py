"""Currents of binary weights on a GPU: signs are made where they are multiplied.

One matrix product a draw, `[columns, inputs] x [inputs, outputs]`, in tiles; a column is a place of
the output map in one frame, so that a fully connected layer is a convolution of one pixel. Inputs
go in quads, because four neighbouring weights come from one Philox block: a tile holds every sign
and every spike as one of four bits, and multiplies one bit of all quads at a time. Products are
{0, 1} x {-1, +1} in float16, sums are integers in float32: exact. README.md has the arithmetic.
Oracle: tests/ops/test_synapse_triton.py.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, final

import torch
import triton
import triton.language as tl
from torch import Tensor

from bayesnn_spike.ops.draw.signs import Drawn, Signs, rows_of
from bayesnn_spike.ops.draw.triton import PLAIN, quads, sign_limits, signed
from bayesnn_spike.ops.spikes import PackedSpikes
from bayesnn_spike.ops.synapse.shapes import map_after, pair

# Quads of a row whose bits fit one int64 for each: beyond, signs are drawn again where needed.
_MOST_HELD = 16


@final
@dataclass(frozen=True)
class Geometry:
    """Sizes of a convolution; the default is a fully connected layer. A kernel is made for each."""

    height: int = 1
    width: int = 1
    kernel_height: int = 1
    kernel_width: int = 1
    stride_y: int = 1
    stride_x: int = 1
    padding_y: int = 0
    padding_x: int = 0
    out_height: int = 1
    out_width: int = 1

    @property
    def window(self) -> int:
        """Inputs a channel."""
        return self.kernel_height * self.kernel_width

    @property
    def places(self) -> int:
        """Outputs a channel."""
        return self.out_height * self.out_width


@final
@dataclass(frozen=True)
class Tile:
    """What one program works on.

    Attributes:
        columns, outputs, quads: of a tile, powers of two.
        chunks: how many tiles of quads there are.
        held: all signs of the outputs stay in registers, as bits, in words of so many bits;
            0: they are made again for every tile of columns.
        drawn: signs are drawn, not read.
        aligned: rows of weights start at a Philox block.
    """

    columns: int
    outputs: int
    quads: int
    chunks: int
    held: int
    drawn: bool
    aligned: bool


@triton.jit
def _sign_quads(
    weights, k, row, quad, rows, inputs, count, plane, key0, key1, first, TILE: tl.constexpr
):  # fmt: skip
    """Four signs a place as bits 0 to 3; `plane` is a row's length in int32 where they are read."""
    if TILE.drawn:
        bits = quads(
            weights, row, quad, rows, inputs, count, plane, key0, key1, first + k, TILE.aligned
        )
    else:
        there = (quad < count) & (row < rows)
        word = tl.load(weights + (k * rows + row) * plane + (quad >> 3), mask=there, other=0)
        bits = (word >> ((quad & 7) * 4).to(tl.int32)) & 15
    return bits


@triton.jit
def hold(weights, k, row, rows, inputs, count, plane, key0, key1, first, TILE: tl.constexpr):
    """The signs of some outputs, `[quads, outputs]`: bits 4 c to 4 c + 3 are those of chunk c."""
    quad = tl.arange(0, TILE.quads)[:, None].to(tl.int64)
    row = row[None, :]
    if TILE.held == 64:
        held = tl.full((TILE.quads, TILE.outputs), 0, tl.int64)
    else:
        held = tl.full((TILE.quads, TILE.outputs), 0, tl.int32)
    if TILE.held > 0:
        for c in range(TILE.chunks):
            bits = _sign_quads(
                weights, k, row, quad + c * TILE.quads, rows, inputs, count, plane,
                key0, key1, first, TILE,
            )  # fmt: skip
            held |= bits.to(held.dtype) << (4 * c)
    return held


@triton.jit
def _window_bits(spikes, frame, top, left, there, n, inputs, halves, G: tl.constexpr):
    """The spikes that inputs n see from each column: 0 or 1, `[columns, quads]`."""
    channel = n // G.window
    y = top[:, None] + (n // G.kernel_width % G.kernel_height)[None, :]
    x = left[:, None] + (n % G.kernel_width)[None, :]
    inside = (y >= 0) & (y < G.height) & (x >= 0) & (x < G.width)
    inside &= there[:, None] & (n < inputs)[None, :]
    at = ((frame[:, None] * G.height + y) * G.width + x) * halves + (channel >> 5)[None, :]
    word = tl.load(spikes + at, mask=inside, other=0)
    return (word >> (channel & 31).to(tl.int32)[None, :]) & 1


@triton.jit
def product(
    spikes, weights, held, k, row, frame, top, left, there,
    halves, rows, inputs, count, plane, key0, key1, first, G: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Sums of signs over the spikes, `[columns, outputs]` float32.

    A column is a frame (int64, of the draw) and the corner `top`, `left` of its window.
    """
    total = tl.full((TILE.columns, TILE.outputs), 0.0, tl.float32)
    on = tl.full((TILE.columns, TILE.quads), 1.0, tl.float16)
    off = tl.full((TILE.columns, TILE.quads), 0.0, tl.float16)
    plus = tl.full((TILE.quads, TILE.outputs), 1.0, tl.float16)
    minus = tl.full((TILE.quads, TILE.outputs), -1.0, tl.float16)
    for c in range(TILE.chunks):
        quad = c * TILE.quads + tl.arange(0, TILE.quads).to(tl.int64)
        if TILE.held > 0:
            signs = ((held >> (4 * c)) & 15).to(tl.int32)
        else:
            signs = _sign_quads(
                weights, k, row[None, :], quad[:, None], rows, inputs, count, plane,
                key0, key1, first, TILE,
            )  # fmt: skip
        if G.window == 1:
            # Four neighbouring channels lie in one word.
            at = (frame[:, None] * G.height + top[:, None]) * G.width + left[:, None]
            inside = there & (top >= 0) & (top < G.height) & (left >= 0) & (left < G.width)
            inside = inside[:, None] & (quad < count)[None, :]
            word = tl.load(spikes + at * halves + (quad >> 3)[None, :], mask=inside, other=0)
            seen = (word >> ((quad & 7) * 4).to(tl.int32)[None, :]) & 15
        for lane in tl.static_range(4):
            if G.window == 1:
                bit = (seen >> lane) & 1
            else:
                n = 4 * quad + lane
                bit = _window_bits(spikes, frame, top, left, there, n, inputs, halves, G)
            x = tl.where(bit != 0, on, off)
            w = tl.where(((signs >> lane) & 1) != 0, plus, minus)
            total = tl.dot(x, w, total)
    return total


@triton.jit(do_not_specialize=PLAIN)
def _currents_kernel(
    spikes, weights, bias, out, frames, spike_step, bias_step, groups, bands,
    halves, rows, inputs, count, plane, key0, key1, first,
    G: tl.constexpr, TILE: tl.constexpr, TURNS: tl.constexpr,
):  # fmt: skip
    """out `[K, frames, M, places]`; a program does `TURNS` tiles of columns with the same signs."""
    pid = tl.program_id(0)
    k = (pid // groups // bands).to(tl.int64)
    row = (pid // groups % bands).to(tl.int64) * TILE.outputs + tl.arange(0, TILE.outputs)
    held = hold(weights, k, row, rows, inputs, count, plane, key0, key1, first, TILE)
    for turn in range(TURNS):
        tile = (pid % groups).to(tl.int64) * TURNS + turn
        column = tile * TILE.columns + tl.arange(0, TILE.columns)
        frame, place = column // G.places, column % G.places
        there = frame < frames
        top = place // G.out_width * G.stride_y - G.padding_y
        left = place % G.out_width * G.stride_x - G.padding_x
        total = product(
            spikes, weights, held, k, row, k * spike_step + frame, top, left, there,
            halves, rows, inputs, count, plane, key0, key1, first, G, TILE,
        )  # fmt: skip
        exists = row < rows
        if bias is not None:
            total += tl.load(bias + k * bias_step + row, mask=exists, other=0.0)[None, :]
        at = ((k * frames + frame[:, None]) * rows + row[None, :]) * G.places + place[:, None]
        tl.store(out + at, total, mask=there[:, None] & exists[None, :])


class Operands(NamedTuple):
    """Spikes and signs as the kernels take them.

    Attributes:
        arguments: of every kernel, by name.
        tile, geometry: its constants.
    """

    arguments: dict[str, Any]
    tile: Tile
    geometry: Geometry


def operands(
    spikes: PackedSpikes, signs: Signs, bias: Tensor | None, geometry: Geometry, columns: int
) -> Operands:
    """Gather what a kernel reads; `columns` and the outputs are cut into tiles of some size."""
    rows, inputs = rows_of(signs.size)
    count = -(-inputs // 4)
    if isinstance(signs, Drawn):
        weights = sign_limits(signs.logits, rows, inputs)
        key, first, plane = signs.stream.key, signs.first, count * rows
    else:
        weights = signs.words.contiguous().view(torch.int32)
        key, first, plane = (0, 0), 0, weights.shape[-1]
    words = spikes.words.contiguous().view(torch.int32)
    frames = words[..., 0].numel() // (geometry.height * geometry.width)
    quads = min(64, max(16, triton.next_power_of_2(count)))
    chunks = triton.cdiv(count, quads)
    held = 0 if chunks > _MOST_HELD else 64 if chunks > 8 else 32
    outputs = min(128, max(16, triton.next_power_of_2(rows)))
    tile = Tile(
        min(128, max(16, triton.next_power_of_2(columns))),
        outputs,
        quads,
        chunks,
        held,
        isinstance(signs, Drawn),
        inputs % 4 == 0,
    )
    shared = len(spikes.lead) == 2
    arguments = {
        "spikes": words,
        "weights": weights,
        "bias": None if bias is None else bias.detach().contiguous(),
        "spike_step": 0 if shared else frames // signs.draws,
        "bias_step": 0 if bias is None or bias.ndim == 1 else rows,
        "halves": words.shape[-1],
        "rows": rows,
        "inputs": inputs,
        "count": count,
        "plane": plane,
        "key0": signed(key[0]),
        "key1": signed(key[1]),
        "first": first,
    }
    return Operands(arguments, tile, geometry)


def signed_linear(spikes: Any, signs: Signs, bias: Tensor | None) -> Tensor:
    """Currents `[K, T, B, M]`."""
    return _currents(spikes, signs, bias, Geometry())


def signed_conv2d(spikes: Any, signs: Signs, bias: Tensor | None, *, stride, padding) -> Tensor:
    """Currents `[K, T, B, O, H', W']`."""
    after = map_after(tuple(spikes.shape[-2:]), signs.size[-2:], stride, padding)
    geometry = Geometry(*spikes.shape[-2:], *signs.size[-2:], *pair(stride), *pair(padding), *after)
    return _currents(spikes, signs, bias, geometry).unflatten(-1, after)


def _currents(spikes, signs, bias, geometry) -> Tensor:
    steps, batch = spikes.lead[-2:]
    rows = signs.size[0]
    columns = steps * batch * geometry.places
    arguments, tile, geometry = operands(spikes, signs, bias, geometry, columns)
    out = torch.empty((signs.draws, steps, batch, rows, geometry.places), dtype=torch.float32, device=spikes.device)
    bands, tiles = triton.cdiv(rows, tile.outputs), triton.cdiv(columns, tile.columns)
    turns = max(1, signs.draws * bands * tiles // 264)
    turns = 1 << turns.bit_length() - 1
    groups = triton.cdiv(tiles, turns)
    _currents_kernel[(signs.draws * bands * groups,)](
        **arguments, out=out, frames=steps * batch, groups=groups, bands=bands, G=geometry, TILE=tile, TURNS=turns, num_warps=8,
    )
    return out if geometry.places > 1 else out[..., 0]
