"""Turn currents into spikes: threshold and reset over the whole time loop."""

from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_unary

from bayesnn_spike.checks import require_interval, require_state
from bayesnn_spike.ops._dispatch import Implementation, Op, from_module, never
from bayesnn_spike.ops._lanes import cpu_refuses, require_steps
from bayesnn_spike.ops._triton import from_triton, refusals
from bayesnn_spike.ops.fire import reference
from bayesnn_spike.ops.fire.clocked import clocked_fire as clocked_fire
from bayesnn_spike.ops.fire.spike_time import ClockState as ClockState
from bayesnn_spike.ops.fire.surrogate import AtOrAbove, Comparison, Reset, Subtract, Surrogate


class RefractoryState(NamedTuple):
    """State of the spike-response neuron: R and the last step's spikes, each one step's shape."""

    refractory: Tensor
    spikes: Tensor


def fire(
    current: Tensor,
    state: Tensor | None = None,
    *,
    time_dim: int,
    beta: float,
    v_threshold: float,
    surrogate: Surrogate,
    reset: Reset = Subtract(),
    comparison: Comparison = AtOrAbove(),
    detach_reset: bool = True,
) -> tuple[Tensor, Tensor]:
    """Integrate currents into a leaky membrane that spikes and resets.

    Args:
        current: any shape with time at `time_dim`.
        state: membrane before the first step, the shape of one step; None is rest (zero).
        time_dim: the axis of time.
        beta: leak a step, in [0, 1]; 1 integrates without leak.
        v_threshold: the membrane at which the neuron fires.
        surrogate: stands in for the derivative of the spike.
        reset: Subtract() or ToValue(v_reset).
        comparison: AtOrAbove() or Above(), decides ties.
        detach_reset: the reset passes no gradient.

    Returns:
        Spikes (0/1, same shape) and the last membrane.

    Raises:
        ValueError: beta outside [0, 1], no time step, or a state of another shape, dtype or
            device.

    Source: ops/fire/README.md. Oracle: tests/ops/test_fire.py.
    """
    options = {
        "time_dim": time_dim,
        "beta": beta,
        "v_threshold": v_threshold,
        "surrogate": surrogate,
        "reset": reset,
        "comparison": comparison,
        "detach_reset": detach_reset,
    }
    if has_torch_function_unary(current):
        return handle_torch_function(fire, (current,), current, state, **options)
    require_interval(beta, "beta", 0.0, 1.0)
    require_steps(current, time_dim, "the current of fire")
    if state is not None:
        require_state(state, "the membrane", current.select(time_dim, 0))
    return _FIRE(current, state, **options)


def refractory_fire(
    current: Tensor,
    state: RefractoryState | None = None,
    *,
    time_dim: int,
    decay: float,
    v_threshold: float,
    surrogate: Surrogate,
    comparison: Comparison = AtOrAbove(),
) -> tuple[Tensor, RefractoryState, Tensor]:
    """Spike where the current exceeds the refractory trace of the neuron's own past spikes.

    Args:
        current: any shape with time at `time_dim`.
        state: R and spikes of the step before; None is rest.
        time_dim: the axis of time.
        decay: of the refractory trace, exp(-1/tau_ref) in steps, in [0, 1].
        v_threshold: 0 in the released code of BiSNN.
        surrogate: stands in for the derivative of the spike.
        comparison: AtOrAbove() or Above(), decides ties.

    Returns:
        Spikes, the last state, and the membrane U (both of the current's shape).

    Raises:
        ValueError: decay outside [0, 1], no time step, or a state of another shape, dtype or
            device.

    Source: ops/fire/README.md, kclip/BayesBiSNN model/LIF_base.py.
    Oracle: tests/ops/test_fire.py (golden trace).
    """
    require_interval(decay, "decay", 0.0, 1.0)
    require_steps(current, time_dim, "the current of refractory_fire")
    if state is not None:
        step = current.select(time_dim, 0)
        require_state(state.refractory, "the refractory trace", step)
        require_state(state.spikes, "the last spikes", step)
    spikes, refractory, last, membrane = _REFRACTORY(
        current,
        state,
        time_dim=time_dim,
        decay=decay,
        v_threshold=v_threshold,
        surrogate=surrogate,
        comparison=comparison,
    )
    return spikes, RefractoryState(refractory, last), membrane


def _triton_refuses(current: Tensor, *_: Any, **options: Any) -> list[str]:
    reasons = refusals(current.device)
    if reasons:
        return reasons
    if current.dtype != torch.float32:
        reasons.append(f"works in float32, got {current.dtype}")
    return reasons + _unknown(options)


def _cpu_refuses(current: Tensor, *_: Any, **options: Any) -> list[str]:
    return cpu_refuses(current) + _unknown(options)


def _unknown(options: dict[str, Any]) -> list[str]:
    """Values that no kernel has a form for."""
    reasons = []
    for name, known in (("surrogate", Surrogate), ("comparison", Comparison)):
        value = options.get(name)
        if value is not None and not isinstance(value, known):
            names = ", ".join(kind.__name__ for kind in get_args(known))
            reasons.append(f"compiles the {name}s {names}, got {value!r}")
    return reasons


_FIRE = Op(
    "fire",
    (
        Implementation(
            "triton", from_triton("bayesnn_spike.ops.fire.triton", "fire"), _triton_refuses
        ),
        Implementation("cpu", from_module("bayesnn_spike.ops.fire.cpu", "fire"), _cpu_refuses),
        Implementation("reference", lambda: reference.fire, never),
    ),
)
_REFRACTORY = Op(
    "refractory_fire",
    (
        Implementation(
            "cpu",
            from_module("bayesnn_spike.ops.fire.refractory_cpu", "refractory_fire"),
            _cpu_refuses,
        ),
        Implementation("reference", lambda: reference.refractory_fire, never),
    ),
)
# So that `explain` takes the function that users know.
fire.op, refractory_fire.op = _FIRE, _REFRACTORY
