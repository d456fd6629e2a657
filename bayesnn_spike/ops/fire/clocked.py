"""Spikes of a neuron whose surrogate looks at u / v_threshold, or at the time of its last spike."""

from typing import Any, get_args

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_unary

from bayesnn_spike.checks import require_state
from bayesnn_spike.ops._dispatch import Implementation, Op, from_module, never
from bayesnn_spike.ops._lanes import cpu_refuses, require_steps
from bayesnn_spike.ops.fire import clocked_reference
from bayesnn_spike.ops.fire.spike_time import FIRST, ClockState, Order, RatioSurrogate
from bayesnn_spike.ops.fire.surrogate import Comparison


def clocked_fire(
    current: Tensor,
    state: ClockState | None = None,
    *,
    time_dim: int,
    v_threshold: Tensor,
    leak: Tensor,
    surrogate: RatioSurrogate,
    order: Order,
    comparison: Comparison,
    v_init: float | Tensor = 0.0,
) -> tuple[Tensor, ClockState]:
    """Integrate currents, fire at the threshold, take the threshold off (soft reset).

    Immediate: `u = leak u + I`, `o = H(u - V)`, `u = u - V o`. Delayed: `o_t = H(u_{t-1} - V)`,
    `u_t = leak u_{t-1} + I_t - V o_t`. No gradient flows through the o of the reset; the V beside
    it, the threshold of the test and the leak are differentiable (DIET-SNN).

    Args:
        current: any shape with time at `time_dim`.
        state: membrane and clock before the first step; None is rest.
        time_dim: the axis of time.
        v_threshold: positive; 0-dim, or broadcastable to one step of the current.
        leak: factor of the membrane a step; 0-dim, or broadcastable to one step of the current.
        surrogate: SpikeTime() or LinearRatio(), stands in for do/dz with z = u / V - 1.
        order: Immediate() or Delayed().
        comparison: AtOrAbove() or Above(), decides ties.
        v_init: the membrane at rest, as a part of the threshold (0 or 1/2 in conversion); one
            number, or a tensor that broadcasts to one step. It is used only where `state` is None.

    Returns:
        Spikes (0/1, the current's shape) and the state after the last step.

    Raises:
        ValueError: no time step, a state of another shape, dtype or device, a clock that is not
            int32, or a threshold, leak or v_init that does not fit.

    Source: Rathi et al., ICLR 2020; Rathi & Roy, DIET-SNN; ops/fire/README.md.
    Oracle: tests/ops/test_fire_clocked.py.
    """
    if has_torch_function_unary(current):
        return handle_torch_function(
            clocked_fire,
            (current,),
            current,
            state,
            time_dim=time_dim,
            v_threshold=v_threshold,
            leak=leak,
            surrogate=surrogate,
            order=order,
            comparison=comparison,
            v_init=v_init,
        )
    require_steps(current, time_dim, "the current of clocked_fire")
    step = current.select(time_dim, 0)
    for name, value in (("v_threshold", v_threshold), ("leak", leak), ("v_init", v_init)):
        if isinstance(value, Tensor):
            _require_fit(name, value, step)
    if state is None:
        starts = isinstance(v_init, Tensor) or v_init != 0
        rest = v_init * v_threshold if starts else current.new_zeros(())
        membrane, clock = (
            value.expand(step.shape)
            for value in (rest, current.new_full((), FIRST, dtype=torch.int32))
        )
    else:
        membrane, clock = state
        require_state(membrane, "the membrane", step)
        require_state(clock, "the clock", step.new_empty(step.shape, dtype=torch.int32))
    spikes, membrane, clock = _CLOCKED(
        current,
        membrane,
        clock,
        v_threshold,
        leak,
        time_dim=time_dim,
        surrogate=surrogate,
        order=order,
        comparison=comparison,
    )
    return spikes, ClockState(membrane, clock)


def _require_fit(name: str, value: Tensor, step: Tensor) -> None:
    fits = value.ndim <= step.ndim and all(
        one in (1, many)
        for one, many in zip(reversed(value.shape), reversed(step.shape), strict=False)
    )
    if not fits or value.dtype != step.dtype or value.device != step.device:
        raise ValueError(
            f"{name} must be one number or broadcast to a step of shape {tuple(step.shape)}, in "
            f"{step.dtype} on {step.device}; got shape {tuple(value.shape)}, {value.dtype} on "
            f"{value.device}"
        )


def _cpu_refuses(current: Tensor, *_: Any, **options: Any) -> list[str]:
    reasons = cpu_refuses(current)
    for name, known in (("surrogate", RatioSurrogate), ("comparison", Comparison)):
        value = options.get(name)
        if value is not None and not isinstance(value, known):
            names = ", ".join(kind.__name__ for kind in get_args(known))
            reasons.append(f"compiles the {name}s {names}, got {value!r}")
    return reasons


_CLOCKED = Op(
    "clocked_fire",
    (
        Implementation(
            "cpu", from_module("bayesnn_spike.ops.fire.clocked_cpu", "clocked_fire"), _cpu_refuses
        ),
        Implementation("reference", lambda: clocked_reference.clocked_fire, never),
    ),
)
# So that `explain` takes the function that users know.
clocked_fire.op = _CLOCKED
