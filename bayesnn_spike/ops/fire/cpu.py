"""`fire` on the CPU: the time loop compiled, forward and reverse-time backward.

Time runs outside, neurons inside, with the reference's float32 operations in the reference's
order, so spikes and membranes are the same bits. The surrogate's slope is one tensor operation for
all steps; only the recursion of README.md is compiled. Oracle: tests/ops/test_fire.py.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops.fire.surrogate import AtOrAbove, Comparison, Reset, Subtract, Surrogate

_F32 = np.float32


@jit
def _forward(
    current: np.ndarray,
    v: np.ndarray,
    beta: float,
    threshold: float,
    soft: bool,
    v_reset: float,
    ties: bool,
    spikes: np.ndarray,
    excess: np.ndarray,
) -> None:
    """current, spikes, excess `[L, T, R]`; v `[L, R]` is updated in place."""
    for lead in range(current.shape[0]):
        for t in range(current.shape[1]):
            for r in range(current.shape[2]):
                u = beta * v[lead, r] + current[lead, t, r]
                x = u - threshold
                fires = x >= _F32(0) if ties else x > _F32(0)
                s = _F32(1) if fires else _F32(0)
                spikes[lead, t, r], excess[lead, t, r] = s, x
                if soft:
                    v[lead, r] = u - threshold * s
                else:
                    v[lead, r] = u * (_F32(1) - s) + v_reset * s


@jit
def _backward(
    grad: np.ndarray,
    a: np.ndarray,
    slope: np.ndarray,
    spikes: np.ndarray,
    excess: np.ndarray,
    beta: float,
    threshold: float,
    soft: bool,
    v_reset: float,
    detach: bool,
    out: np.ndarray,
) -> None:
    """All `[L, T, R]`; a `[L, R]` holds the cotangent of the membrane, updated in place."""
    for lead in range(grad.shape[0]):
        for step in range(grad.shape[1]):
            t = grad.shape[1] - 1 - step
            for r in range(grad.shape[2]):
                keep = _F32(1) if soft else _F32(1) - spikes[lead, t, r]
                du = grad[lead, t, r] * slope[lead, t, r] + a[lead, r] * keep
                if not detach:
                    jump = -threshold if soft else v_reset - (excess[lead, t, r] + threshold)
                    du += a[lead, r] * jump * slope[lead, t, r]
                out[lead, t, r] = du
                a[lead, r] = beta * du


class _Fire(torch.autograd.Function):
    """current `[L, T, R]` and state `[L, R]` to spikes and the last membrane."""

    @staticmethod
    def forward(
        current: Tensor, state: Tensor, surrogate: Surrogate, options: tuple
    ) -> tuple[Tensor, Tensor, Tensor]:
        beta, threshold, soft, v_reset, ties, _ = options
        spikes, excess = torch.empty_like(current), torch.empty_like(current)
        v = state.clone()
        _forward(
            current.detach().numpy(),
            v.numpy(),
            beta,
            threshold,
            soft,
            v_reset,
            ties,
            spikes.numpy(),
            excess.numpy(),
        )
        return spikes, v, excess

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        spikes, _, excess = output
        _, _, ctx.surrogate, ctx.options = inputs
        ctx.mark_non_differentiable(excess)
        ctx.save_for_backward(spikes, excess)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, last: Tensor, _: Any) -> tuple[Tensor, Tensor, None, None]:
        spikes, excess = ctx.saved_tensors
        beta, threshold, soft, v_reset, _, detach = ctx.options
        out, a = torch.empty_like(excess), last.clone(memory_format=torch.contiguous_format)
        _backward(
            grad.contiguous().numpy(),
            a.numpy(),
            ctx.surrogate.grad(excess).contiguous().numpy(),
            spikes.detach().numpy(),
            excess.numpy(),
            beta,
            threshold,
            soft,
            v_reset,
            detach,
            out.numpy(),
        )
        return out, a, None, None


def fire(
    current: Tensor,
    state: Tensor | None,
    *,
    time_dim: int,
    beta: float,
    v_threshold: float,
    surrogate: Surrogate,
    reset: Reset,
    comparison: Comparison,
    detach_reset: bool,
) -> tuple[Tensor, Tensor]:
    """Spikes and last membrane of the leaky neuron."""
    shape, time_dim = current.shape, time_dim % current.ndim
    steps, step_shape = shape[time_dim], (*shape[:time_dim], *shape[time_dim + 1 :])
    lead = int(np.prod(shape[:time_dim], dtype=np.int64))
    rest = int(np.prod(shape[time_dim + 1 :], dtype=np.int64))
    flat = current.contiguous().view(lead, steps, rest)
    start = current.new_zeros(lead, rest) if state is None else state.reshape(lead, rest)
    soft = isinstance(reset, Subtract)
    options = (
        _F32(beta),
        _F32(v_threshold),
        soft,
        _F32(0.0 if soft else reset.v_reset),
        isinstance(comparison, AtOrAbove),
        detach_reset,
    )
    spikes, v, _ = _Fire.apply(flat, start, surrogate, options)
    return spikes.view(shape), v.view(step_shape)
