"""`clocked_fire` on the CPU: the time loop compiled, forward and reverse-time backward.

The reference's float32 operations in the reference's order: spikes and membranes are the same bits.
Neurons are taken in the order in which the current lies in memory, so maps that lie channels last
stay so. What is saved for the backward pass: README.md. Oracle: tests/ops/test_fire_clocked_cpu.py.
"""

import math
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops import _lanes
from bayesnn_spike.ops._autograd import compiled_gradient
from bayesnn_spike.ops._memory import empty
from bayesnn_spike.ops.fire.clocked_kernels import (
    BITS,
    FLOATS,
    NOTHING,
    clocked_backward,
    clocked_forward,
)
from bayesnn_spike.ops.fire.clocked_slopes import tables
from bayesnn_spike.ops.fire.cpu import contiguous_copy, floats_and_bits, rows, space_for_bits
from bayesnn_spike.ops.fire.spike_time import Delayed, Order, RatioSurrogate, SpikeTime
from bayesnn_spike.ops.fire.surrogate import AtOrAbove, Comparison

_F32 = np.float32
_Tables = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
_NO_TABLES = (*(np.zeros(0, dtype) for dtype in (_F32, _F32, np.int32, np.int32)),)
# Nodes of autograd that show the same numbers, all of them and in their order.
_VIEWS = {"ExpandBackward0", "ViewBackward0", "UnsqueezeBackward0", "SqueezeBackward1"}


class _Options(NamedTuple):
    """What the kernels are told.

    Attributes:
        tie: the spike at u = threshold, 0 or 1.
        delayed: the order of a step.
        save: NOTHING, BITS or FLOATS.
        learned: the threshold or the leak wants a gradient.
        surrogate: SpikeTime or LinearRatio.
        steps: T; the current may have one step for all of them.
    """

    tie: np.float32
    delayed: bool
    save: int
    learned: bool
    surrogate: RatioSurrogate
    steps: int


class _Clocked(torch.autograd.Function):
    """current `[L, T, R]`, membrane and clock `[L, R]`, threshold and leak `[L, R]` or `[1, 1]`.

    A current `[1, 1, R]` is that of every step. Returns spikes, the last membrane, the last clock
    and what is saved.
    """

    @staticmethod
    def forward(
        current: Tensor,
        membrane: Tensor,
        clock: Tensor,
        threshold: Tensor,
        leak: Tensor,
        options: _Options,
    ) -> tuple[Tensor, ...]:
        return _run(current, membrane, clock, threshold, leak, options)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        current, membrane, clock, threshold, leak, ctx.options = inputs
        _, _, last, saved = output
        ctx.shape = current.shape
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(last, *((saved,) if saved.dtype == torch.uint8 else ()))
        # A saved membrane stays in the graph, so that a second derivative is seen and refused.
        first = membrane if ctx.options.learned else membrane[:0]
        ctx.save_for_backward(saved, first, clock, threshold, leak)

    @staticmethod
    def backward(
        ctx: Any, grad: Tensor | None, last: Tensor | None, *_: None
    ) -> tuple[Tensor | None, ...]:
        run = partial(_run_backward, ctx.options, ctx.shape)
        found = compiled_gradient("clocked_fire", run, grad, last, *ctx.saved_tensors)
        current, membrane, *learned = found
        return current, membrane, None, *(learned or (None, None)), None


def clocked_fire(
    current: Tensor,
    membrane: Tensor,
    clock: Tensor,
    v_threshold: Tensor,
    leak: Tensor,
    *,
    time_dim: int,
    surrogate: RatioSurrogate,
    order: Order,
    comparison: Comparison,
) -> tuple[Tensor, Tensor, Tensor]:
    """Spikes, last membrane, last clock."""
    axes = memory_order(current, time_dim % current.ndim)
    time = axes.index(time_dim % current.ndim)
    step = [axis - (axis > axes[time]) for axis in axes if axis != axes[time]]
    moved = current.permute(axes)
    lead, steps, rest = _lanes.split(moved, time)
    flat = _one_step(current, moved) if time == 0 and moved.stride(0) == 0 else None
    flat = moved.reshape(lead, steps, rest) if flat is None else flat.view(1, 1, rest)

    def of_a_step(values: Tensor) -> Tensor:
        strides = zip(values.shape, values.stride(), strict=True)
        if values.numel() and all(size == 1 or stride == 0 for size, stride in strides):
            return values[(0,) * values.ndim].view(1, 1)
        return values.expand_as(membrane).permute(step).reshape(lead, rest)

    learned = v_threshold.requires_grad or leak.requires_grad
    differentiable = torch.is_grad_enabled() and (
        learned or current.requires_grad or membrane.requires_grad
    )
    fixed = isinstance(surrogate, SpikeTime) and not learned
    options = _Options(
        _F32(isinstance(comparison, AtOrAbove)),
        isinstance(order, Delayed),
        (BITS if fixed else FLOATS) if differentiable else NOTHING,
        learned,
        surrogate,
        steps,
    )
    spikes, last, clock, _ = (_Clocked.apply if differentiable else _run)(
        flat,
        membrane.permute(step).reshape(lead, rest),
        of_a_step(clock),
        of_a_step(v_threshold),
        of_a_step(leak),
        options,
    )
    shape = moved.select(time, 0).shape
    back = [step.index(axis) for axis in range(len(step))]
    return (
        spikes.view(moved.shape).permute([axes.index(axis) for axis in range(len(axes))]),
        last.view(shape).permute(back),
        clock.view(shape).permute(back),
    )


def memory_order(tensor: Tensor, time_dim: int) -> list[int]:
    """Return the axes, outermost in memory first, if the tensor is dense, else as they are.

    A tensor that is the same at every step (stride 0) has the axis of time first.
    """
    same = tensor.stride(time_dim) == 0
    axes = sorted(
        range(tensor.ndim),
        key=lambda axis: (not (same and axis == time_dim), -tensor.stride(axis), axis),
    )
    dense = tensor.select(time_dim, 0) if same else tensor
    order = [a - (same and a > time_dim) for a in axes if not (same and a == time_dim)]
    return axes if dense.permute(order).is_contiguous() else list(range(tensor.ndim))


def _one_step(current: Tensor, moved: Tensor) -> Tensor | None:
    """Return, flat in memory, what a current shows at every step; None where that is not plain.

    Its gradient is then made in one piece, in place of T pieces that autograd adds up. Nothing but
    views may lie in between, and nobody may wait for the gradient of the pieces.
    """
    base, node = current._base, current.grad_fn
    if base is None or base.grad_fn is None or current.retains_grad or current._backward_hooks:
        return None
    while node is not None and node is not base.grad_fn:
        if node.name() not in _VIEWS:
            return None
        node = node.next_functions[0][0]
    flat = base.permute(sorted(range(base.ndim), key=lambda axis: (-base.stride(axis), axis)))
    whole = base.numel() * len(moved) == moved.numel() and moved[0].is_contiguous()
    return flat.view(-1) if node is not None and whole and flat.is_contiguous() else None


def _run(
    current: Tensor,
    membrane: Tensor,
    clock: Tensor,
    threshold: Tensor,
    leak: Tensor,
    options: _Options,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    shape = (current.shape[0], options.steps, current.shape[2])
    spikes, v = empty(*shape), contiguous_copy(membrane)
    dt = contiguous_copy(clock.expand_as(membrane))
    if options.save == BITS:
        saved = space_for_bits(shape, 1)
    else:
        saved = empty(*(shape if options.save == FLOATS else (0, 0, 0)))
    same = current.stride(1) == 0 and shape[1] > 0
    run = partial(
        clocked_forward,
        (current[:, :1] if same else current).detach().contiguous().numpy(),
        v.numpy(),
        dt.numpy(),
        threshold.detach().contiguous().numpy(),
        leak.detach().contiguous().numpy(),
        options.tie,
        options.delayed,
        spikes.numpy(),
        options.save,
        *floats_and_bits(saved),
    )
    _lanes.for_blocks(run, shape)
    return spikes, v, dt, saved


def _run_backward(
    options: _Options,
    shape: tuple[int, int, int],
    grad: Tensor | None,
    last: Tensor | None,
    saved: Tensor,
    first: Tensor,
    clock: Tensor,
    threshold: Tensor,
    leak: Tensor,
) -> tuple[Tensor, ...]:
    one, steps = (shape[0], shape[2]), options.steps
    out = empty(*shape)
    a = torch.zeros(one, dtype=torch.float32) if last is None else contiguous_copy(last)
    learned = torch.zeros(2, *(one if options.learned else (0, 0)), dtype=torch.float32)
    surrogate = options.surrogate
    timed = isinstance(surrogate, SpikeTime)
    run = partial(
        clocked_backward,
        rows(grad),
        a.numpy(),
        clock.contiguous().numpy(),
        threshold.detach().contiguous().numpy(),
        leak.detach().contiguous().numpy(),
        options.tie,
        options.delayed,
        surrogate.scale_by_threshold and not (timed and threshold.numel() == 1),
        _tables(surrogate, clock, threshold, steps) if timed else _NO_TABLES,
        _F32(0 if timed else surrogate.gamma),
        options.save,
        *floats_and_bits(saved),
        out.numpy(),
        options.learned,
        first.detach().contiguous().numpy(),
        learned[0].numpy(),
        learned[1].numpy(),
        steps,
    )
    _lanes.for_blocks(run, (shape[0], steps, shape[2]))
    if not options.learned:
        return out, a
    # One number for all neurons gets the sum of theirs.
    pairs = zip(learned, (threshold, leak), strict=True)
    return out, a, *(g if v.shape == one else g.sum().view(1, 1) for g, v in pairs)


def _tables(surrogate: SpikeTime, clock: Tensor, threshold: Tensor, steps: int) -> _Tables:
    """Return slopes for dt = 0, 1, ...: as long as the clocks run, or until they are 0 in float32.

    They are divided by a threshold that is one number, where the surrogate asks for it.
    """
    longest = int(clock.max()) if clock.numel() else 0
    size = min(longest + steps + 1, math.ceil(110 / surrogate.beta) + 1)
    slopes = surrogate.slope(
        torch.zeros((), dtype=torch.float32), torch.arange(size, dtype=torch.int32)
    )
    one = surrogate.scale_by_threshold and threshold.numel() == 1
    return tables((slopes / threshold.detach().view(()) if one else slopes).numpy())
