"""`fire` on the CPU: the time loop compiled, forward and reverse-time backward, on all threads.

The reference's float32 operations in the reference's order: spikes and membranes are the same bits.
What is saved for the backward pass: README.md. Oracle: tests/ops/test_fire_cpu.py.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops import _lanes
from bayesnn_spike.ops._autograd import compiled_gradient
from bayesnn_spike.ops._memory import empty
from bayesnn_spike.ops.fire.kernels import (
    BITS,
    FLOATS,
    NOTHING,
    coded,
    fire_backward,
    fire_forward,
)
from bayesnn_spike.ops.fire.surrogate import (
    AtOrAbove,
    Boxcar,
    Comparison,
    Reset,
    Subtract,
    Surrogate,
)

_F32 = np.float32


class _Options(NamedTuple):
    """Numbers as the kernels take them.

    Attributes:
        neuron: beta, threshold, hard, v_reset, tie (the spike at u = threshold, 0 or 1).
        full: the reset passes a gradient.
        save: NOTHING, BITS or FLOATS.
        each: bits a step: the slope, with hard reset also the spike.
        surrogate: its code and its number.
    """

    neuron: tuple
    full: bool
    save: int
    each: int
    surrogate: tuple[int, float]


class _Fire(torch.autograd.Function):
    """current `[L, T, R]` and state `[L, R]` to spikes, the last membrane and what is saved."""

    @staticmethod
    def forward(current: Tensor, state: Tensor, options: _Options) -> tuple[Tensor, Tensor, Tensor]:
        return _run(current, state, options)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        _, _, saved = output
        ctx.options = inputs[2]
        ctx.shape = inputs[0].shape
        ctx.set_materialize_grads(False)
        if saved.dtype == torch.uint8:
            ctx.mark_non_differentiable(saved)
        # A saved membrane stays in the graph, so that a second derivative is seen and refused.
        ctx.save_for_backward(saved)

    @staticmethod
    def backward(
        ctx: Any, grad: Tensor | None, last: Tensor | None, _: None
    ) -> tuple[Tensor, Tensor, None]:
        run = partial(_run_backward, ctx.options, ctx.shape)
        return *compiled_gradient("fire", run, grad, last, *ctx.saved_tensors), None


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
    lead, steps, rest = _lanes.split(current, time_dim)
    flat = current.contiguous().view(lead, steps, rest)
    start = (
        torch.zeros(lead, rest, dtype=torch.float32) if state is None else state.reshape(lead, rest)
    )
    hard, tie = not isinstance(reset, Subtract), isinstance(comparison, AtOrAbove)
    differentiable = torch.is_grad_enabled() and (flat.requires_grad or start.requires_grad)
    options = _Options(
        (_F32(beta), _F32(v_threshold), hard, _F32(reset.v_reset if hard else 0), _F32(tie)),
        not detach_reset,
        what_is_saved(surrogate, hard and not detach_reset) if differentiable else NOTHING,
        2 if hard else 1,
        coded(surrogate),
    )
    spikes, v, _ = (_Fire.apply if differentiable else _run)(flat, start, options)
    return spikes.view(current.shape), v.view(_lanes.step_shape(current, time_dim))


def what_is_saved(surrogate: Surrogate, needs_membrane: bool) -> int:
    """Return BITS where a bit says all of the slope and nothing else is needed, or FLOATS."""
    return BITS if isinstance(surrogate, Boxcar) and not needs_membrane else FLOATS


def contiguous_copy(tensor: Tensor) -> Tensor:
    """Return a copy whose rows lie one after another, whatever the tensor's strides are."""
    return tensor.detach().clone(memory_format=torch.contiguous_format)


def rows(grad: Tensor | None) -> np.ndarray:
    """Return a cotangent for the kernels; none is an array without steps."""
    return np.zeros((1, 0, 1), np.float32) if grad is None else grad.contiguous().numpy()


def space_for_bits(shape: tuple[int, int, int], each: int) -> Tensor:
    """Return zeros for `each` bits a step: bytes that hold the bits of 8 / each steps."""
    return torch.zeros(shape[0], -(-shape[1] * each // 8), shape[2], dtype=torch.uint8)


def floats_and_bits(saved: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return what was saved as the two arrays that the kernels take, one of them empty."""
    array = saved.detach().numpy()
    if saved.dtype == torch.uint8:
        return np.zeros((0, 0, 0), np.float32), array
    return array, np.zeros((0, 0, 0), np.uint8)


def _run(current: Tensor, state: Tensor, options: _Options) -> tuple[Tensor, Tensor, Tensor]:
    shape = current.shape
    spikes, v = empty(*shape), contiguous_copy(state)
    if options.save == BITS:
        saved = space_for_bits(shape, options.each)
    else:
        saved = empty(*(shape if options.save == FLOATS else (0, 0, 0)))
    run = partial(
        fire_forward,
        current.detach().numpy(),
        v.numpy(),
        *options.neuron,
        spikes.numpy(),
        options.save,
        *floats_and_bits(saved),
        options.each,
        _F32(options.surrogate[1] / 2),
    )
    _lanes.for_blocks(run, shape)
    return spikes, v, saved


def _run_backward(
    options: _Options,
    shape: tuple[int, int, int],
    grad: Tensor | None,
    last: Tensor | None,
    saved: Tensor,
) -> tuple[Tensor, Tensor]:
    out = empty(*shape)
    a = (
        torch.zeros(shape[0], shape[2], dtype=torch.float32)
        if last is None
        else contiguous_copy(last)
    )
    run = partial(
        fire_backward,
        rows(grad),
        a.numpy(),
        *options.neuron,
        options.full,
        options.save,
        *floats_and_bits(saved),
        options.each,
        *options.surrogate,
        out.numpy(),
    )
    _lanes.for_blocks(run, shape)
    return out, a
