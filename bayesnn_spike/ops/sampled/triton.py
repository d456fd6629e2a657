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
from bayesnn_spike.ops.synapse.triton import Geometry, hold, operands, product

# A word of spikes: a program writes whole words.
_OUTPUTS = 64


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
    v, current, bias, scale, spikes, alive, exists, beta, threshold, v_reset,
    HARD: tl.constexpr, TIES: tl.constexpr,
):  # fmt: skip
    """One step of README.md's neuron; spikes are written as half words `[BATCH, 2]`."""
    u = beta * v + (current + bias) * scale
    s = fires(u - threshold, TIES)
    bits = tl.where(exists, s, 0.0).to(tl.int32) << (tl.arange(0, 64) & 31)[None, :]
    tl.store(spikes, tl.sum(tl.reshape(bits, (v.shape[0], 2, 32)), 2), mask=alive)
    return after(u, s, threshold, v_reset, HARD)
