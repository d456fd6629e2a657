"""`sampled` on a GPU: draw, multiply and fire in one kernel; only bits go in and come out.

A program takes the networks' k-th draw of 64 outputs over some columns through all steps: the signs
are drawn once and stay in registers as bits, so do the membranes. README.md says why.
Oracle: tests/ops/test_sampled_triton.py.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from bayesnn_spike.ops.bits import words_for
from bayesnn_spike.ops.draw.signs import Signs
from bayesnn_spike.ops.draw.triton import PLAIN
from bayesnn_spike.ops.fire.surrogate import AtOrAbove, Comparison, Reset, Subtract
from bayesnn_spike.ops.fire.triton import after, fires
from bayesnn_spike.ops.spikes import PackedSpikes
from bayesnn_spike.ops.synapse.product import Geometry, hold, launch, operands, plain, product
from bayesnn_spike.ops.synapse.triton import geometry_of, pack

# A word of spikes: a program writes whole words.
_OUTPUTS = 64
# Columns of a tile, over several steps where a step has fewer.
_COLUMNS = 128


@triton.jit
def _steps_of(total, BATCH: tl.constexpr, STEPS: tl.constexpr):
    """`[STEPS x BATCH, outputs]` as four tensors `[BATCH, outputs]`, one for each step.

    A register has no address: halves are taken apart by `split`. Where there are fewer than four
    steps, one tensor stands for several.
    """
    if STEPS == 4:
        apart = tl.permute(tl.reshape(total, (2, 2, BATCH, total.shape[1])), (2, 3, 0, 1))
        even, odd = tl.split(apart)
        i0, i2 = tl.split(even)
        i1, i3 = tl.split(odd)
    elif STEPS == 2:
        apart = tl.permute(tl.reshape(total, (2, BATCH, total.shape[1])), (1, 2, 0))
        i0, i1 = tl.split(apart)
        i2, i3 = i0, i1
    else:
        i0, i1, i2, i3 = total, total, total, total
    return i0, i1, i2, i3


@triton.jit
def _step(
    v, current, spikes, alive, exists, beta, threshold, v_reset,
    HARD: tl.constexpr, TIES: tl.constexpr,
):  # fmt: skip
    """One step of the neuron of `fire`; the spikes are written as half words, `[BATCH, 2]`."""
    u = beta * v + current
    s = fires(u - threshold, TIES)
    bits = tl.where(exists[None, :], s, 0.0).to(tl.int32) << (tl.arange(0, 64) & 31)[None, :]
    tl.store(spikes, tl.sum(tl.reshape(bits, (v.shape[0], 2, 32)), 2), mask=alive)
    return after(u, s, threshold, v_reset, HARD)


@triton.jit(do_not_specialize=PLAIN)
def _layer_kernel(
    spikes, weights, bias, scale, state, out, last, batch, words, bands, blocks,
    spike_step, bias_step, rows, beta, threshold, v_reset, key0, key1, first,
    G: tl.constexpr, TILE: tl.constexpr, T: tl.constexpr, STEPS: tl.constexpr,
    SCALES: tl.constexpr, HARD: tl.constexpr, TIES: tl.constexpr,
):  # fmt: skip
    """out `[K, T, columns, 2 words]` int32, last and state `[K, B, M, places]`.

    Columns are B x places; a tile of columns has STEPS steps, one below the other.
    """
    BATCH: tl.constexpr = TILE.columns // STEPS
    columns = tl.cast(batch, tl.int64) * G.places
    pid = tl.program_id(0)
    k = (pid // blocks // bands).to(tl.int64)
    band = pid // blocks % bands
    row = band.to(tl.int64) * TILE.outputs + tl.arange(0, TILE.outputs)
    exists = row < rows
    held = hold(weights, k, row, rows, key0, key1, first, G, TILE)
    add = tl.full((TILE.outputs,), 0.0, tl.float32)
    if bias is not None:
        add = tl.load(bias + k * bias_step + row, mask=exists, other=0.0)
    times = tl.full((TILE.outputs,), 1.0, tl.float32)
    if SCALES:
        times = tl.load(scale + row, mask=exists, other=0.0)
    else:
        times = times * scale

    # Where this program's neurons are, `[BATCH]`.
    start = (pid % blocks).to(tl.int64) * BATCH
    column = start + tl.arange(0, BATCH)
    neuron = (k * batch + column // G.places) * rows * G.places + column % G.places
    neuron = neuron[:, None] + row[None, :] * G.places
    mine = (column < columns)[:, None] & exists[None, :]
    v = tl.full((BATCH, TILE.outputs), 0.0, tl.float32)
    if state is not None:
        v = tl.load(state + neuron, mask=mine, other=0.0)
    half = tl.arange(0, 2)[None, :] + 2 * band
    at = (k * T * columns + column[:, None]) * words + half
    alive = (column < columns)[:, None] & (half < words)

    # Where the columns of a tile are, `[columns]`: step i of its neurons from i x BATCH on.
    inside = tl.arange(0, TILE.columns)
    later = inside // BATCH
    seen = start + inside % BATCH
    place = (seen % G.places).to(tl.int32)
    top = place // G.out_width * G.stride_y - G.padding_y
    left = place % G.out_width * G.stride_x - G.padding_x
    for group in range((T + STEPS - 1) // STEPS):
        t = group * STEPS
        frame = k * spike_step + (t + later).to(tl.int64) * batch + seen // G.places
        there = (seen < columns) & (t + later < T)
        total = product(
            spikes, weights, held, k, row, frame, top, left, there, rows, key0, key1, first,
            G, TILE,
        )  # fmt: skip
        currents = _steps_of(total, BATCH, STEPS)
        for i in tl.static_range(STEPS):
            current = (currents[i] + add[None, :]) * times[None, :]
            next_v = _step(
                v, current, out + at, alive & (t + i < T), exists, beta, threshold, v_reset,
                HARD, TIES,
            )  # fmt: skip
            v = tl.where(t + i < T, next_v, v)
            at += columns * words
    tl.store(last + neuron, v, mask=mine)


def sampled_linear(
    spikes: Tensor | PackedSpikes,
    signs: Signs,
    bias: Tensor | None,
    state: Tensor | None,
    **options: Any,
) -> tuple[PackedSpikes, Tensor]:
    """Packed spikes `[K, T, B, M]` and the last membrane `[K, B, M]`."""
    geometry = Geometry(signs.size[1])
    words, last = _layer(pack(spikes, 1), signs, bias, state, geometry, **options)
    return PackedSpikes(words, (signs.size[0],)), last[..., 0]


def sampled_conv2d(
    spikes: Tensor | PackedSpikes,
    signs: Signs,
    bias: Tensor | None,
    state: Tensor | None,
    *,
    stride: int | tuple[int, int],
    padding: int | tuple[int, int],
    **options: Any,
) -> tuple[PackedSpikes, Tensor]:
    """Packed spikes `[K, T, B, O, H', W']` and the last membrane `[K, B, O, H', W']`."""
    geometry = geometry_of(spikes, signs, stride, padding)
    size = (geometry.out_height, geometry.out_width)
    words, last = _layer(pack(spikes, 3), signs, bias, state, geometry, **options)
    features = (signs.size[0], *size)
    return PackedSpikes(words.unflatten(2, (-1, *size)), features), last.unflatten(-1, size)


def steps_together(columns: int, steps: int) -> tuple[int, int]:
    """Return how many columns of a step share a tile, and how many steps: both powers of two."""
    size = min(_COLUMNS, max(16, triton.next_power_of_2(columns)))
    return size, min(4, _COLUMNS // size, triton.next_power_of_2(steps))


def _layer(
    spikes: PackedSpikes,
    signs: Signs,
    bias: Tensor | None,
    state: Tensor | None,
    geometry: Geometry,
    *,
    scale: float | Tensor,
    beta: float,
    v_threshold: float,
    reset: Reset,
    comparison: Comparison,
) -> tuple[Tensor, Tensor]:
    """Words `[K, T, B x places, W]` and membranes `[K, B, M, places]`."""
    steps, batch = spikes.lead[-2:]
    outputs, columns = signs.size[0], batch * geometry.places
    shape = (signs.draws, steps, columns, words_for(outputs))
    out = torch.empty(shape, dtype=torch.int64, device=spikes.device)
    shape = (signs.draws, batch, outputs, geometry.places)
    last = torch.empty(shape, dtype=torch.float32, device=spikes.device)
    if not last.numel():
        return out, last
    size, together = steps_together(columns, steps)
    arguments = operands(spikes, signs, bias, geometry, size * together, _OUTPUTS)
    bands, blocks = out.shape[-1], triton.cdiv(columns, size)
    hard = not isinstance(reset, Subtract)
    _layer_kernel[(signs.draws * bands * blocks,)](
        **arguments, **launch(arguments["TILE"]),
        scale=plain(scale) if isinstance(scale, Tensor) else scale,
        state=None if state is None else plain(state),
        out=out.view(torch.int32), last=last, batch=batch, words=2 * out.shape[-1], bands=bands,
        blocks=blocks, beta=beta, threshold=v_threshold, v_reset=reset.v_reset if hard else 0.0,
        T=steps, STEPS=together, SCALES=isinstance(scale, Tensor), HARD=hard,
        TIES=isinstance(comparison, AtOrAbove), enable_fp_fusion=False,
    )  # fmt: skip
    return out, last
