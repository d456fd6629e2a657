"""`trace` on the CPU: one compiled filter that runs forward or in reverse time, on all threads.

The reference's float32 operations in the reference's order, so the trace is the same bits. The
gradient of the filter is the filter of the other direction, so nothing is saved and gradients have
gradients. Oracle: tests/ops/test_trace_cpu.py.
"""

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops import _lanes
from bayesnn_spike.ops._compile import jit

_F32 = np.float32


@jit
def _filter(x, carried, decay, reverse, y, block, start, stop):
    """Fill y with `carried + x`, then carry `decay y`, over the steps of x `[L, T, R]`."""
    blocks, steps = -(-x.shape[2] // block), x.shape[1]
    for unit in range(start, stop):
        lead, a = unit // blocks, unit % blocks * block
        b = min(a + block, x.shape[2])
        for step in range(steps):
            t = steps - 1 - step if reverse else step
            _step(x[lead, t, a:b], carried[lead, a:b], decay, y[lead, t, a:b])


@jit
def _step(x, carried, decay, y):
    for r in range(len(y)):
        value = carried[r] + x[r]
        y[r] = value
        carried[r] = decay * value


class _Trace(torch.autograd.Function):
    """Forward: x and state to y and last y. Reverse: their cotangents to those of x and state."""

    @staticmethod
    def forward(x: Tensor, edge: Tensor, decay: float, reverse: bool) -> tuple[Tensor, Tensor]:
        return _run(x, edge, decay, reverse)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, _: Any) -> None:
        _, _, ctx.decay, ctx.reverse = inputs

    @staticmethod
    def backward(ctx: Any, grad: Tensor, edge: Tensor) -> tuple[Tensor, Tensor, None, None]:
        return (*_Trace.apply(grad.contiguous(), edge, ctx.decay, not ctx.reverse), None, None)


def trace(
    inputs: Tensor, state: Tensor | None, *, decay: float, time_dim: int
) -> tuple[Tensor, Tensor]:
    """Filter along `time_dim`; returns (filtered, last)."""
    lead, steps, rest = _lanes.split(inputs, time_dim)
    flat = inputs.contiguous().view(lead, steps, rest)
    start = (
        torch.zeros(lead, rest, dtype=torch.float32) if state is None else state.reshape(lead, rest)
    )
    y, last = _Trace.apply(flat, start, decay, False)
    return y.view(inputs.shape), last.view(_lanes.step_shape(inputs, time_dim))


def _run(x: Tensor, edge: Tensor, decay: float, reverse: bool) -> tuple[Tensor, Tensor]:
    # The carried value is decay times y: in reverse time the last step gets its cotangent whole.
    carried = edge.clone(memory_format=torch.contiguous_format)
    carried = carried.detach() if reverse else carried.detach().mul_(decay)
    y = torch.empty(x.shape, dtype=torch.float32)
    run = partial(_filter, x.detach().numpy(), carried.numpy(), _F32(decay), reverse, y.numpy())
    _lanes.for_blocks(run, x.shape)
    return y, carried if reverse else y[:, -1].clone()
