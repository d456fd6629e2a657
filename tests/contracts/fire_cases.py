"""The entries of `op_cases` for neurons."""

from functools import partial

import torch
from torch import Tensor

from bayesnn_spike.neurons import (
    Above,
    ATan,
    AtOrAbove,
    Delayed,
    Immediate,
    LinearRatio,
    SpikeTime,
    Subtract,
    ToValue,
)
from bayesnn_spike.ops.fire import ClockState, RefractoryState, clocked_fire, fire, refractory_fire
from tests.contracts.case import Case, K, T
from tests.ops import cases


def _fire(current: Tensor, state: Tensor, **options) -> tuple[Tensor, Tensor]:
    options = {"beta": 0.5, "v_threshold": 1.0, "surrogate": ATan()} | options
    return fire(current, state, time_dim=1, **options)


def _refractory(current: Tensor, r: Tensor, s: Tensor) -> tuple[Tensor, ...]:
    spikes, state, u = refractory_fire(
        current,
        RefractoryState(r, s),
        time_dim=1,
        decay=0.5,
        v_threshold=0.25,
        surrogate=ATan(),
    )
    return spikes, *state, u


def _clocked(
    current: Tensor, membrane: Tensor, clock: Tensor, v_threshold: Tensor, **options
) -> tuple[Tensor, ...]:
    state = ClockState(membrane, (1 + 4 * clock.abs()).to(torch.int32))
    leak = current.new_full((), 0.5)
    spikes, last = clocked_fire(
        current, state, time_dim=1, v_threshold=v_threshold, leak=leak, **options
    )
    return spikes, last.membrane, last.clock


def _clocked_inputs(b: int) -> list[Tensor]:
    """Currents, membranes, what becomes clocks, and thresholds a draw and a neuron."""
    return [
        cases.lattice(K, T, b, 7),
        cases.lattice(K, b, 7, seed=1),
        cases.lattice(K, b, 7, seed=2),
        cases.lattice(K, 1, 7, seed=3).abs() + 0.5,
    ]


def _current_and_membrane(b: int) -> list[Tensor]:
    return [cases.lattice(K, T, b, 7), cases.lattice(K, b, 7, seed=1)]


FIRE_CASES = {
    "fire, soft": Case(
        "fire",
        lambda x, state: _fire(x, state, reset=Subtract()),
        _current_and_membrane,
        (2, 1),
        (0, 0),
        out_batch=(2, 1),
        smooth=(0, 1),
        implementations=("triton", "cpu", "reference"),
    ),
    "fire, hard, full gradient": Case(
        "fire",
        lambda x, state: _fire(x, state, reset=ToValue(-0.25), detach_reset=False),
        _current_and_membrane,
        (2, 1),
        (0, 0),
        out_batch=(2, 1),
        smooth=(0, 1),
        implementations=("triton", "cpu", "reference"),
    ),
    "refractory_fire": Case(
        "refractory_fire",
        _refractory,
        lambda b: [
            cases.lattice(K, T, b, 7),
            cases.lattice(K, b, 7, seed=1).abs(),
            cases.spikes(K, b, 7),
        ],
        (2, 1, 1),
        (0, 0, 0),
        out_batch=(2, 1, 1, 2),
        smooth=(0,),
        implementations=("cpu", "reference"),
    ),
    "clocked_fire, delayed": Case(
        "clocked_fire",
        partial(_clocked, surrogate=SpikeTime(), order=Delayed(), comparison=Above()),
        _clocked_inputs,
        (2, 1, 1, None),
        (0, 0, 0, 0),
        out_batch=(2, 1, 1),
        smooth=(0, 1),
        implementations=("cpu", "reference"),
    ),
    "clocked_fire, learned": Case(
        "clocked_fire",
        partial(_clocked, surrogate=LinearRatio(), order=Immediate(), comparison=AtOrAbove()),
        _clocked_inputs,
        (2, 1, 1, None),
        (0, 0, 0, 0),
        out_batch=(2, 1, 1),
        smooth=(0, 1, 3),
        implementations=("cpu", "reference"),
    ),
}
