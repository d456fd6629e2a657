"""`fire` on a GPU: the time loop in one kernel, forward and reverse-time backward.

A lane is one neuron and goes through all steps with its membrane in a register. The reference's
float32 operations in the reference's order, never contracted to multiply-add: spikes and membranes
are the same bits. What is saved for the backward pass: README.md.
Oracle: tests/ops/test_fire_triton.py.
"""

import math
from functools import partial
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from bayesnn_spike.ops._autograd import compiled_gradient
from bayesnn_spike.ops._lanes import split, step_shape
from bayesnn_spike.ops.fire.surrogate import (
    ATan,
    AtOrAbove,
    Boxcar,
    Comparison,
    FastSigmoid,
    Gaussian,
    Reset,
    Sigmoid,
    Subtract,
    Surrogate,
    Triangle,
)

# What the forward pass saves: nothing, two bits a step (slope, spike), or x = u - threshold.
NOTHING, BITS, FLOATS = 0, 1, 2
_BITS, _FLOATS = tl.constexpr(BITS), tl.constexpr(FLOATS)
# A surrogate in a kernel is its place here.
SURROGATES = (Boxcar, Triangle, FastSigmoid, ATan, Sigmoid, Gaussian)
# Steps whose bits share an int32.
_STEPS = tl.constexpr(16)
_BLOCK = 512
# Neurons side by side after the axis of time that are too few for a program: time goes first.
_FEW = 128


@triton.jit
def fires(x, TIES: tl.constexpr):
    """The spike of x = u - threshold, 1.0 or 0.0."""
    if TIES:
        s = tl.where(x >= 0, 1.0, 0.0)
    else:
        s = tl.where(x > 0, 1.0, 0.0)
    return s


@triton.jit
def after(u, s, threshold, v_reset, HARD: tl.constexpr):
    """The membrane after the reset."""
    if HARD:
        v = u * (1.0 - s) + v_reset * s
    else:
        v = u - threshold * s
    return v


@triton.jit
def _slope(x, p, scale, CODE: tl.constexpr):
    """`SURROGATES[CODE].grad(x)`; p and scale as `_numbers` makes them."""
    if CODE == 0:
        y = tl.where((x > -p) & (x <= p), 1.0, 0.0)
    elif CODE == 1:
        y = 1.0 - tl.abs(x) / p
        y = tl.where(y < 0.0, 0.0, y)
    elif CODE == 2:
        y = 1.0 + p * tl.abs(x)
        y = 1.0 / (y * y)
    elif CODE == 3:
        y = scale * x
        y = p / (1.0 + y * y)
    elif CODE == 4:
        e = tl.exp(-tl.abs(p * x))
        y = p * e / ((1.0 + e) * (1.0 + e))
    else:
        y = x / scale
        y = p * tl.exp(-0.5 * (y * y))
    return y


@triton.jit
def _lanes(rest, blocks, BLOCK: tl.constexpr):
    """A program's place before time, its places after time (int64), and which of them exist."""
    pid = tl.program_id(0)
    place = (pid % blocks).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    return (pid // blocks).to(tl.int64), place, place < rest


@triton.jit
def _forward_kernel(
    current, state, spikes, last, saved, rest, blocks, words, beta, threshold, v_reset, p, scale,
    T: tl.constexpr, HARD: tl.constexpr, TIES: tl.constexpr, SAVE: tl.constexpr,
    CODE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """current `[L, T, R]`, state `[L, R]`; saved `[L, T, R]` or `[L, words, R]`, by SAVE."""
    lead, place, there = _lanes(rest, blocks, BLOCK)
    at = lead * T * rest + place
    kept = lead * words * rest + place
    lane = lead * rest + place
    v = tl.load(state + lane, mask=there, other=0.0)
    for group in range((T + _STEPS - 1) // _STEPS):
        bits = tl.full((BLOCK,), 0, tl.int32)
        for j in range(_STEPS):
            # The last group may reach beyond T: those steps touch nothing.
            alive = group * _STEPS + j < T
            u = beta * v + tl.load(current + at, mask=there & alive, other=0.0)
            x = u - threshold
            s = fires(x, TIES)
            v = tl.where(alive, after(u, s, threshold, v_reset, HARD), v)
            tl.store(spikes + at, s, mask=there & alive)
            if SAVE == _FLOATS:
                tl.store(saved + at, x, mask=there & alive)
            if SAVE == _BITS:
                pair = _slope(x, p, scale, CODE).to(tl.int32) | (s.to(tl.int32) << 1)
                bits |= pair << (2 * j)
            at += rest
        if SAVE == _BITS:
            tl.store(saved + kept, bits, mask=there)
            kept += rest
    tl.store(last + lane, v, mask=there)


@triton.jit
def _backward_kernel(
    grad, carry, saved, out, start, rest, blocks, words, beta, threshold, v_reset, p, scale,
    T: tl.constexpr, HARD: tl.constexpr, TIES: tl.constexpr, FULL: tl.constexpr,
    SAVE: tl.constexpr, CODE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The recursion of README.md, last step first; a cotangent that is None is zero."""
    lead, place, there = _lanes(rest, blocks, BLOCK)
    lane = lead * rest + place
    a = tl.full((BLOCK,), 0.0, tl.float32)
    if carry is not None:
        a = tl.load(carry + lane, mask=there, other=0.0)
    for back in range(T):
        t = T - 1 - back
        at = (lead * T + t) * rest + place
        if SAVE == _BITS:
            kept = (lead * words + t // _STEPS) * rest + place
            bits = tl.load(saved + kept, mask=there, other=0) >> (2 * (t % _STEPS))
            slope, s = (bits & 1).to(tl.float32), ((bits >> 1) & 1).to(tl.float32)
        else:
            x = tl.load(saved + at, mask=there, other=0.0)
            slope, s = _slope(x, p, scale, CODE), fires(x, TIES)
        g = tl.full((BLOCK,), 0.0, tl.float32)
        if grad is not None:
            g = tl.load(grad + at, mask=there, other=0.0)
        if FULL:
            if HARD:
                g += (v_reset - (x + threshold)) * a
            else:
                g -= threshold * a
        du = g * slope
        if HARD:
            du += a * (1.0 - s)
        else:
            du += a
        tl.store(out + at, du, mask=there)
        a = beta * du
    tl.store(start + lane, a, mask=there)


class _Options(NamedTuple):
    """What the kernels take.

    Attributes:
        neuron: beta, threshold, v_reset.
        numbers: of the surrogate.
        kind: the constants of both kernels.
        full: the reset passes a gradient.
    """

    neuron: tuple[float, float, float]
    numbers: tuple[float, float]
    kind: dict[str, Any]
    full: bool


class _Fire(torch.autograd.Function):
    """current `[L, T, R]` and state `[L, R]` to spikes, the last membrane and what is saved."""

    @staticmethod
    def forward(current: Tensor, state: Tensor, options: _Options) -> tuple[Tensor, Tensor, Tensor]:
        return _run(current, state, options)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.options, ctx.shape = inputs[2], inputs[0].shape
        ctx.set_materialize_grads(False)
        if output[2].dtype == torch.int32:
            ctx.mark_non_differentiable(output[2])
        # A saved membrane stays in the graph, so that a second derivative is seen and refused.
        ctx.save_for_backward(output[2])

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
    axis = 0 if split(current, time_dim)[2] < _FEW else time_dim
    moved = current.movedim(time_dim, axis)
    lead, steps, rest = split(moved, axis)
    flat = moved.reshape(lead, steps, rest)
    start = flat.new_zeros(lead, rest) if state is None else state.reshape(lead, rest)
    hard = not isinstance(reset, Subtract)
    differentiable = torch.is_grad_enabled() and (flat.requires_grad or start.requires_grad)
    bits = isinstance(surrogate, Boxcar) and (detach_reset or not hard)
    save = (BITS if bits else FLOATS) if differentiable else NOTHING
    kind = {
        "T": steps,
        "HARD": hard,
        "TIES": isinstance(comparison, AtOrAbove),
        "SAVE": save,
        "CODE": SURROGATES.index(type(surrogate)),
    }
    neuron = (beta, v_threshold, reset.v_reset if hard else 0.0)
    options = _Options(neuron, _numbers(surrogate), kind, not detach_reset)
    spikes, v, _ = (_Fire.apply if differentiable else _run)(flat, start, options)
    return spikes.view(moved.shape).movedim(axis, time_dim), v.view(step_shape(moved, axis))


def _numbers(surrogate: Surrogate) -> tuple[float, float]:
    """Return p and scale of `_slope`."""
    match surrogate:
        case Boxcar(width):
            return width / 2, 0.0
        case ATan(alpha):
            return alpha / 2, math.pi * alpha / 2
        case Gaussian(sigma):
            return 1 / (sigma * math.sqrt(2 * math.pi)), sigma
    (number,) = vars(surrogate).values()
    return number, 0.0


def _run(current: Tensor, state: Tensor, options: _Options) -> tuple[Tensor, Tensor, Tensor]:
    current, state = current.detach().contiguous(), state.detach().contiguous()
    lead, steps, rest = current.shape
    words = triton.cdiv(steps, _STEPS.value)
    save = options.kind["SAVE"]
    shape = {NOTHING: (0,), BITS: (lead, words, rest), FLOATS: current.shape}[save]
    saved = torch.empty(
        shape, dtype=torch.int32 if save == BITS else torch.float32, device=current.device
    )
    spikes = torch.empty_like(current)
    last = torch.empty((lead, rest), dtype=torch.float32, device=current.device)
    if last.numel():
        blocks = triton.cdiv(rest, _BLOCK)
        _forward_kernel[(lead * blocks,)](
            current, state, spikes, last, saved, rest, blocks, words,
            *options.neuron, *options.numbers, **options.kind, BLOCK=_BLOCK,
            enable_fp_fusion=False,
        )  # fmt: skip
    return spikes, last, saved


def _run_backward(
    options: _Options,
    shape: torch.Size,
    grad: Tensor | None,
    last: Tensor | None,
    saved: Tensor,
) -> tuple[Tensor, Tensor]:
    lead, steps, rest = shape
    out = torch.empty(shape, dtype=torch.float32, device=saved.device)
    start = torch.empty((lead, rest), dtype=torch.float32, device=saved.device)
    if start.numel():
        blocks = triton.cdiv(rest, _BLOCK)
        _backward_kernel[(lead * blocks,)](
            None if grad is None else grad.contiguous(),
            None if last is None else last.contiguous(),
            saved, out, start, rest, blocks, triton.cdiv(steps, _STEPS.value),
            *options.neuron, *options.numbers, **options.kind, FULL=options.full, BLOCK=_BLOCK,
            enable_fp_fusion=False,
        )  # fmt: skip
    return out, start
