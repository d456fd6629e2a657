"""`refractory_fire` on the CPU: compiled over time, the reference's bits, on all threads.

R follows the spikes and passes no gradient to them; a state R that asks for one gets it, as in the
reference. U is an output, so a smooth surrogate saves nothing more; a boxcar saves a bit a step and
lets U go. Oracle: tests/ops/test_fire_refractory_cpu.py.
"""

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops import _lanes
from bayesnn_spike.ops._autograd import compiled_gradient
from bayesnn_spike.ops._memory import empty
from bayesnn_spike.ops.fire.cpu import (
    contiguous_copy,
    floats_and_bits,
    rows,
    space_for_bits,
    what_is_saved,
)
from bayesnn_spike.ops.fire.kernels import (
    BITS,
    NOTHING,
    coded,
    refractory_backward,
    refractory_forward,
)
from bayesnn_spike.ops.fire.surrogate import AtOrAbove, Comparison, Surrogate

_F32 = np.float32


class _Refractory(torch.autograd.Function):
    """current `[L, T, R]`, R and spikes `[L, R]` to spikes, last R, last spikes, U and bits."""

    @staticmethod
    def forward(current: Tensor, r: Tensor, s: Tensor, options: tuple) -> tuple[Tensor, ...]:
        return _run(current, r, s, options)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        _, r, s, membrane, bits = output
        ctx.options = inputs[3]
        save = ctx.options[3]
        ctx.set_materialize_grads(False)
        learns_r = ctx.needs_input_grad[1]
        ctx.mark_non_differentiable(s, bits, *(() if learns_r else (r,)))
        ctx.save_for_backward(bits if save == BITS else membrane)

    @staticmethod
    def backward(
        ctx: Any, grad: Tensor | None, last: Tensor | None, _: None, pull: Tensor | None, __: None
    ) -> tuple[Tensor, Tensor, None, None]:
        run = partial(_run_backward, ctx.options)
        tensors = (grad, last, pull, *ctx.saved_tensors)
        return *compiled_gradient("refractory_fire", run, *tensors), None, None


def refractory_fire(
    current: Tensor,
    state: tuple[Tensor, Tensor] | None,
    *,
    time_dim: int,
    decay: float,
    v_threshold: float,
    surrogate: Surrogate,
    comparison: Comparison,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Spikes, last refractory trace, last spikes, membrane."""
    shape = lead, _, rest = _lanes.split(current, time_dim)
    flat = current.contiguous().view(shape)
    r, s = (torch.zeros(lead, rest, dtype=torch.float32),) * 2 if state is None else state
    r, s = r.reshape(lead, rest), s.detach().reshape(lead, rest)
    differentiable = torch.is_grad_enabled() and (flat.requires_grad or r.requires_grad)
    options = (
        _F32(decay),
        _F32(v_threshold),
        _F32(isinstance(comparison, AtOrAbove)),
        what_is_saved(surrogate, False) if differentiable else NOTHING,
        coded(surrogate),
        shape,
    )
    run = _Refractory.apply if differentiable else _run
    spikes, r, s, membrane, _ = run(flat, r, s, options)
    step = _lanes.step_shape(current, time_dim)
    return spikes.view(current.shape), r.view(step), s.view(step), membrane.view(current.shape)


def _run(current: Tensor, r: Tensor, s: Tensor, options: tuple) -> tuple[Tensor, ...]:
    decay, threshold, tie, save, (_, number), shape = options
    spikes, membrane = empty(*shape), empty(*shape)
    r, s = contiguous_copy(r), contiguous_copy(s)
    bits = space_for_bits(shape if save == BITS else (0, 0, 0), 1)
    run = partial(
        refractory_forward,
        current.detach().numpy(),
        r.numpy(),
        s.numpy(),
        decay,
        threshold,
        tie,
        spikes.numpy(),
        membrane.numpy(),
        save,
        bits.numpy(),
        _F32(number / 2),
    )
    _lanes.for_blocks(run, shape)
    return spikes, r, s, membrane, bits


def _run_backward(
    options: tuple, grad: Tensor | None, last: Tensor | None, pull: Tensor | None, saved: Tensor
) -> tuple[Tensor, Tensor]:
    decay, threshold, _, save, surrogate, shape = options
    out = empty(*shape)
    a = (
        torch.zeros(shape[0], shape[2], dtype=torch.float32)
        if last is None
        else contiguous_copy(last)
    )
    run = partial(
        refractory_backward,
        rows(grad),
        rows(pull),
        a.numpy(),
        decay,
        threshold,
        save,
        *floats_and_bits(saved),
        *surrogate,
        out.numpy(),
    )
    _lanes.for_blocks(run, shape)
    return out, a
