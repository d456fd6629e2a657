"""`straight_linear` on the CPU: bits forward, events and tables backward.

Forward the signs of the weights are packed, sorted by input, and counted for every row of spikes:
integers, so every float32 is the reference's. Backward the weight gradient goes through events
(or is a dense product, where spikes are dense) and the gradient of the spikes through tables of
sums. Oracle: tests/ops/test_synapse_straight.py.
"""

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops._autograd import compiled_gradient
from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import (
    Width,
    get,
    load_floats,
    load_numbers,
    machine_width,
    put,
    reaches,
    splat_float,
    store,
)
from bayesnn_spike.ops._threads import parallel
from bayesnn_spike.ops.bits import words_for
from bayesnn_spike.ops.precision import Float32, Precision, in_use
from bayesnn_spike.ops.synapse import events, linear, tables
from bayesnn_spike.ops.synapse.counters import count_block
from bayesnn_spike.ops.synapse.cpu import (
    over_time,
    rows_and_draws,
    spike_gradient,
    weight_gradient,
)
from bayesnn_spike.ops.synapse.rows import _fill as fill
from bayesnn_spike.ops.synapse.rows import block_words
from bayesnn_spike.ops.synapse.straight import through_signs

_U64, _F32 = np.uint64, np.float32
# A plain 1 has a type of its own: what is called with it would be compiled once more.
_1 = np.int64(1)
_WIDEST = machine_width()


@jit
def _pack_signs(weight, out, start, stop):
    """Rows start to stop of weight `[R, N]` into words: 1 where it is at least 0."""
    inputs, zero = weight.shape[1], splat_float(_F32(0))
    for m in range(start, stop):
        row = weight[m]
        for w in range(out.shape[1]):
            word, first = _U64(0), 64 * w
            if first + 64 <= inputs:
                for quarter in range(4):
                    bits = reaches(load_floats(row, first + 16 * quarter), zero)
                    word |= bits << _U64(16 * quarter)
            else:
                for j in range(inputs - first):
                    word |= _U64(row[first + j] >= _F32(0)) << _U64(j)
            out[m, w] = word


@jit
def _signs(weight, words, out, start, stop):
    """Groups (k, 128 outputs) start to stop: weight `[K, M, N]`, out `[K, NB, N + 1, bw]`."""
    outputs, groups = weight.shape[1], out.shape[1] * (out.shape[3] // 2)
    for index in range(start, stop):
        k, first = index // groups, index % groups * 128
        _pack_signs(weight[k], words[k], first, min(first + 128, outputs))
        fill(words, 1, weight.shape[2], _1, out, index, index + 1)


def signs_by_input(weight: np.ndarray) -> np.ndarray:
    """Pack the signs of weights `[K, M, N]`, sorted by input: `[K, NB, N + 1, bw]`."""
    draws, outputs, inputs = weight.shape
    words = np.empty((draws, outputs, words_for(inputs)), _U64)
    size = block_words(words_for(outputs))
    blocks = -(-words_for(outputs) // size)
    out = np.empty((draws, blocks, inputs + 1, size), _U64)
    # Worth a thread: 2^17 weights.
    least = max(1, (1 << 17) // max(128 * inputs, 1))
    parallel(
        lambda i, j: _signs(weight, words, out, i, j), draws * blocks * (size // 2), least=least
    )
    return out


@jit
def _write(counts, some, active, scale, flat, at, last):
    """Turn counts into currents: with c of n active synapses at +1 the sum is c - (n - c)."""
    less, gain = splat_float(_F32(active)), splat_float(scale)
    for lane in range(0, some // 16 * 16, 16):
        c = load_numbers(counts, lane)
        store(flat, at + lane, ((c + c) - less) * gain)
    if some % 16:
        lane = some // 16 * 16
        c = load_numbers(counts, lane)
        store(last, 0, ((c + c) - less) * gain)
        for j in range(some - lane):
            flat[at + lane + j] = last[j]


@jit
def count_rows(width, strip, words, rows, scale, out, start, stop):
    """words `[D R, W]`, rows `[K, NB, N + 1, bw]`, out `[K, R, M]`; rows start to stop."""
    draws, blocks, size = rows.shape[0], rows.shape[1], rows.shape[3]
    zero_row, lanes = rows.shape[2] - 1, 64 * size
    count, outputs = out.shape[1], out.shape[2]
    shared = words.shape[0] == count
    lists = np.empty(64 * words.shape[1] + 8, np.int32)
    counts, wide = np.empty(lanes, np.uint8), np.empty(lanes, np.int32)
    last, signs, flat = np.empty(16, np.float32), rows.reshape(-1), out.reshape(-1)
    for index in range(start, stop):
        d, r = index // count, index % count
        found = events.list_words(words[index], lists)
        stop_e = (found + 7) // 8 * 8
        for e in range(found, stop_e):
            put(lists, e, np.int32(zero_row))
        for e in range(stop_e):
            put(lists, e, np.int32(get(lists, e) * size))
        for k in range(0 if shared else d, draws if shared else d + 1):
            for block in range(blocks):
                base = (k * blocks + block) * (zero_row + 1) * size
                big = count_block(width, strip, signs, base, size, lists, 0, stop_e, counts, wide)
                first = lanes * block
                at, some = (k * count + r) * outputs + first, min(lanes, outputs - first)
                if big:
                    _write(wide, some, found, scale, flat, at, last)
                else:
                    _write(counts, some, found, scale, flat, at, last)


def width_for(rows: np.ndarray) -> Width:
    """The width of vectors that counts signs `[K, NB, N + 1, bw]`."""
    size = rows.shape[3]
    return _WIDEST if size >= _WIDEST.count else Width(size)


def add_signs(
    words: np.ndarray, rows: np.ndarray, shape: tuple[int, int], scale: float
) -> np.ndarray:
    """Add up the signs of active inputs, times scale.

    Args:
        words: active inputs, uint64 `[R, W]` (shared by all draws) or `[K R, W]`.
        rows: uint64 `[K, NB, N + 1, bw]`, signs by input (`signs_by_input`).
        shape: (R, M).
        scale: multiplies the sums.

    Returns:
        float32 `[K, R, M]`.
    """
    out = np.empty((len(rows), *shape), _F32)
    width = width_for(rows)
    parallel(
        lambda i, j: count_rows(width, width.count, words, rows, _F32(scale), out, i, j),
        len(words),
        least=64,
    )
    return out


class _Straight(torch.autograd.Function):
    """x `[D, R, N]` with the signs of `[K, M, N]` to scaled `[K, R, M]`; bits are those of x."""

    @staticmethod
    def forward(
        x: Tensor, weight: Tensor, bits: Tensor, scale: float, precision: Precision
    ) -> tuple[Tensor, Tensor]:
        del precision
        rows = signs_by_input(weight.detach().contiguous().numpy())
        words = bits.numpy().view(_U64)
        words = words.reshape(-1, words.shape[2])
        out = add_signs(words, rows, (x.shape[1], weight.shape[1]), scale)
        return torch.from_numpy(out), torch.from_numpy(rows.view(np.int64))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        x, weight, bits, *ctx.how = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(bits, output[1], weight)
        ctx.inputs = x.shape[2]

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Any) -> tuple[Tensor | None, ...]:
        wanted = tuple(ctx.needs_input_grad[:2])
        run = partial(_gradients, wanted, ctx.inputs, *ctx.how)
        found = iter(compiled_gradient("straight_linear", run, grad, *ctx.saved_tensors))
        return *(next(found) if is_wanted else None for is_wanted in wanted), *[None] * 3


def _gradients(
    wanted: tuple[bool, bool],
    inputs: int,
    scale: float,
    precision: Precision,
    grad: Tensor,
    bits: Tensor,
    rows: Tensor,
    weight: Tensor,
) -> tuple[Tensor, ...]:
    found = []
    if wanted[0]:
        if isinstance(precision, Float32):
            cotangents = grad.detach().contiguous().numpy()
            sums = tables.multiply(rows.numpy().view(_U64), cotangents, len(bits), scale)
            found.append(torch.from_numpy(sums))
        else:
            found.append(
                spike_gradient(grad * scale, through_signs(weight.detach()), len(bits), precision)
            )
    if wanted[1]:
        found.append(weight_gradient(grad, bits, inputs, None, precision, scale))
    return tuple(found)


def straight_linear(spikes: Tensor, weight: Tensor, bias: Tensor | None, *, scale: float) -> Tensor:
    """`[*K, T, B, N]` with the signs of `[*K, M, N]` to `[*K, T, B, M]`."""
    x, values, shape = rows_and_draws(spikes, weight, bias)
    numbers = x.detach().contiguous().numpy()
    words, _, binary = events.pack_rows(numbers.reshape(-1, x.shape[2]))
    if not binary:
        return linear(spikes, through_signs(weight), bias) * scale
    bits = torch.from_numpy(words.view(np.int64)).view(*x.shape[:2], words.shape[1])
    if bias is None:
        return _Straight.apply(x, values, bits, scale, in_use())[0].view(shape)
    current = _Straight.apply(x, values, bits, 1.0, in_use())[0].view(shape)
    return (current + over_time(bias, shape)) * scale
