"""Signs times spikes inside a Triton kernel: signs are made where they are multiplied.

One matrix product a draw, `[columns, inputs] x [inputs, outputs]`, in tiles; a column is a place of
the output map in one frame, so that a fully connected layer is a convolution of one pixel. A quad
is four channels at one place of the window: four neighbouring bits of a spike word, and, where the
window is one place, four weights of one Philox block. README.md has the arithmetic.
Oracle: tests/ops/test_synapse_triton.py.
"""

from dataclasses import dataclass
from typing import Any, final

import torch
import triton
import triton.language as tl
from torch import Tensor

from bayesnn_spike.ops.draw.signs import Drawn, Signs
from bayesnn_spike.ops.draw.triton import quads, sign_limits, signed, spread_quads
from bayesnn_spike.ops.spikes import PackedSpikes

# Chunks whose signs fit into an int32 and into an int64, four bits each.
_NARROW, _WIDE = 8, 16


@final
@dataclass(frozen=True)
class Geometry:
    """Sizes of a convolution; a fully connected layer is the default. Kernels are made for each."""

    channels: int
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
        """Places of the window."""
        return self.kernel_height * self.kernel_width

    @property
    def places(self) -> int:
        """Places of the output map."""
        return self.out_height * self.out_width

    @property
    def per(self) -> int:
        """Quads at one place."""
        return -(-self.channels // 4)

    @property
    def halves(self) -> int:
        """32-bit halves of the words at one place."""
        return 2 * -(-self.channels // 64)

    @property
    def group(self) -> int:
        """Quads that are read together: the 8 of a half word, if a place has no others."""
        return 8 if self.window == 1 or self.per % 8 == 0 else 1


@final
@dataclass(frozen=True)
class Tile:
    """What one program works on.

    Attributes:
        columns, outputs, quads: of a tile, powers of two.
        chunks: how many tiles of quads there are.
        held: bits of the words in registers that hold all signs of the outputs, four bits a chunk;
            0: the signs are made again for every tile of columns.
        drawn: signs are drawn, not read.
    """

    columns: int
    outputs: int
    quads: int
    chunks: int
    held: int
    drawn: bool


@triton.jit
def _sign_quads(
    weights, k, row, quad, rows, key0, key1, first, G: tl.constexpr, TILE: tl.constexpr
):  # fmt: skip
    """Four signs a place as bits 0 to 3, int32; rows and quads that do not exist are zero."""
    if TILE.drawn:
        if G.window == 1:
            bits = quads(
                weights, row, quad, rows, G.channels, G.per, key0, key1, first + k,
                G.channels % 4 == 0,
            )  # fmt: skip
        else:
            bits = spread_quads(
                weights, row, quad, rows, G.channels * G.window, G.per, G.per * G.window,
                key0, key1, first + k, G.window,
            )  # fmt: skip
    else:
        there = (quad < G.per * G.window) & (row < rows)
        halves: tl.constexpr = 2 * ((G.channels * G.window + 63) // 64)
        start = (k * rows + row) * halves
        if G.window == 1:
            word = tl.load(weights + start + (quad >> 3), mask=there, other=0)
            bits = (word >> ((quad & 7) * 4).to(tl.int32)) & 15
        else:
            bits = tl.full(there.shape, 0, tl.int32)
            for lane in tl.static_range(4):
                channel = 4 * (quad % G.per) + lane
                n = channel * G.window + quad // G.per
                exists = there & (channel < G.channels)
                word = tl.load(weights + start + (n >> 5), mask=exists, other=0)
                bits |= ((word >> (n & 31).to(tl.int32)) & 1) << lane
    return bits


@triton.jit
def hold(weights, k, row, rows, key0, key1, first, G: tl.constexpr, TILE: tl.constexpr):
    """All signs of some outputs, `[quads, outputs]`: bits 4 c to 4 c + 3 are those of chunk c."""
    quad = tl.arange(0, TILE.quads).to(tl.int64)[:, None]
    if TILE.held == 64:
        held = tl.full((TILE.quads, TILE.outputs), 0, tl.int64)
    else:
        held = tl.full((TILE.quads, TILE.outputs), 0, tl.int32)
    if TILE.held > 0:
        for c in range(TILE.chunks):
            at = quad + c * TILE.quads
            bits = _sign_quads(weights, k, row[None, :], at, rows, key0, key1, first, G, TILE)
            held |= bits.to(held.dtype) << (4 * c)
    return held


@triton.jit
def _spike_quads(spikes, base, top, left, there, c, G: tl.constexpr, TILE: tl.constexpr):
    """Chunk c of the spikes that each column sees, `[columns, quads]`: bits 0 to 3, rubbish above.

    `base` is the half word of the upper left corner of a column's window.
    """
    pieces: tl.constexpr = TILE.quads // G.group
    stretch: tl.constexpr = (G.per + G.group - 1) // G.group
    piece = c * pieces + tl.arange(0, pieces)
    place, rest = piece // stretch, piece % stretch
    dy, dx = place // G.kernel_width, place % G.kernel_width
    inside = there[:, None] & (piece < stretch * G.window)[None, :]
    if G.padding_y + G.padding_x > 0:
        y, x = top[:, None] + dy[None, :], left[:, None] + dx[None, :]
        inside &= (y >= 0) & (y < G.height) & (x >= 0) & (x < G.width)
    half = rest if G.group == 8 else rest >> 3
    offset = ((dy * G.width + dx) * G.halves + half).to(tl.int64)
    word = tl.load(spikes + base[:, None] + offset[None, :], mask=inside, other=0)
    if G.group == 8:
        nibble = (tl.arange(0, 8) * 4)[None, None, :]
        word = tl.reshape(word[:, :, None] >> nibble, (TILE.columns, TILE.quads))
    else:
        word = word >> ((rest & 7) * 4)[None, :]
    return word


@triton.jit
def product(
    spikes, weights, held, k, row, frame, top, left, there, rows, key0, key1, first,
    G: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Sums of signs over the spikes, `[columns, outputs]` float32.

    A column is a frame (int64, of the draw) and the corner `top`, `left` (int32) of its window.
    """
    base = ((frame * G.height + top) * G.width + left) * G.halves
    total = tl.full((TILE.columns, TILE.outputs), 0.0, tl.float32)
    for c in range(TILE.chunks):
        if TILE.held > 0:
            signs = (held >> (4 * c)).to(tl.int32)
        else:
            at = c * TILE.quads + tl.arange(0, TILE.quads).to(tl.int64)[:, None]
            signs = _sign_quads(weights, k, row[None, :], at, rows, key0, key1, first, G, TILE)
        seen = _spike_quads(spikes, base, top, left, there, c, G, TILE)
        for lane in tl.static_range(4):
            # A set bit 14 is 2.0 in float16; 0x3800 is 0.5, and bit 15 its sign: no conversions.
            x = ((seen << (14 - lane)) & 0x4000).to(tl.int16).to(tl.float16, bitcast=True)
            w = (((~signs) << (15 - lane)) & 0x8000) | 0x3800
            total = tl.dot(x, w.to(tl.int16).to(tl.float16, bitcast=True), total)
    return total


def operands(
    spikes: PackedSpikes,
    signs: Signs,
    bias: Tensor | None,
    geometry: Geometry,
    columns: int,
    outputs: int,
) -> dict[str, Any]:
    """Return what every kernel reads, by name, for tiles of so many columns and outputs.

    Signs that are made for every tile need registers of their own: 64 outputs at most.
    """
    rows, window = signs.size[0], geometry.window
    key, first = (0, 0), 0
    if isinstance(signs, Drawn):
        weights = sign_limits(signs.logits, rows, geometry.channels, window)
        key, first = signs.stream.key, signs.first
    else:
        weights = signs.words.contiguous().view(torch.int32)
    words = spikes.words.contiguous().view(torch.int32)
    count = geometry.per * window
    size = min(64, max(16, triton.next_power_of_2(count)))
    chunks = triton.cdiv(count, size)
    held = 32 if chunks <= _NARROW else 64 if chunks <= _WIDE else 0
    outputs = outputs if held else min(outputs, 64)
    steps, batch = spikes.lead[-2:]
    return {
        "spikes": words,
        "weights": weights,
        "bias": None if bias is None else plain(bias),
        "spike_step": 0 if len(spikes.lead) == 2 else steps * batch,
        "bias_step": 0 if bias is None or bias.ndim == 1 else rows,
        "rows": rows,
        "key0": signed(key[0]),
        "key1": signed(key[1]),
        "first": first,
        "G": geometry,
        "TILE": Tile(columns, outputs, size, chunks, held, isinstance(signs, Drawn)),
    }


def launch(tile: Tile) -> dict[str, int]:
    """Return how a tile is run: threads for 32 sums or more each, and how far loads run ahead.

    Thresholds that are read again and again would, three tiles ahead, overflow the shared memory.
    """
    return {
        "num_warps": 8 if tile.columns * tile.outputs > 4096 else 4,
        "num_stages": 3 if tile.held else 1,
    }


def plain(tensor: Tensor) -> Tensor:
    """Return a tensor as a kernel reads it: float32, one row after another, without a gradient."""
    return tensor.detach().to(torch.float32).contiguous()
