"""ops/fire: membranes by hand, ties, resets, the golden trace of BiSNN, carried state."""

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from bayesnn_spike.neurons import Above, AtOrAbove, Boxcar, FastSigmoid, Subtract, ToValue
from bayesnn_spike.ops import only
from bayesnn_spike.ops.fire import RefractoryState, fire, refractory_fire
from tests.ops import cases

SURROGATE = FastSigmoid(2.0)
# exp(-1/2): tau_ref = 2 steps.
DECAY = math.exp(-0.5)


@pytest.fixture(params=["reference", "cpu"])
def implementation(request: pytest.FixtureRequest) -> Iterator[str]:
    with only(request.param):
        yield request.param


def run(current: list[float], **options) -> tuple[list[float], float]:
    options = {"beta": 0.5, "v_threshold": 1.0, "surrogate": SURROGATE} | options
    spikes, v = fire(torch.tensor(current)[:, None], time_dim=0, **options)
    return spikes[:, 0].tolist(), v.item()


@pytest.mark.parametrize(
    ("options", "spikes", "last"),
    [
        # u: .75 | .375+.75=1.125 -> .125 | .0625+2=2.0625 -> 1.0625 | .53125-> | .265625
        ({}, [0, 1, 1, 0, 0], 0.265625),
        # u: .75 | 1.125 -> 0 | 2 -> 0 | 0 | 0
        ({"reset": ToValue()}, [0, 1, 1, 0, 0], 0.0),
        # u: .75 | 1.125 -> -.5 | 1.75 -> -.5 | -.25 | -.125
        ({"reset": ToValue(-0.5)}, [0, 1, 1, 0, 0], -0.125),
        # no leak: .75 | 1.5 -> .5 | 2.5 -> 1.5 | 1.5 -> .5 | .5
        ({"beta": 1.0}, [0, 1, 1, 1, 0], 0.5),
        # full leak: the current alone
        ({"beta": 0.0}, [0, 0, 1, 0, 0], 0.0),
        # threshold 2: .75 | 1.125 | 2.5625 -> .5625 | .28125 | .140625
        ({"v_threshold": 2.0}, [0, 0, 1, 0, 0], 0.140625),
    ],
)
def test_membranes_by_hand(
    implementation: str, options: dict, spikes: list[float], last: float
) -> None:
    assert run([0.75, 0.75, 2.0, 0.0, 0.0], **options) == (spikes, last)


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("reset", [Subtract(), ToValue(0.25)])
def test_the_gradient_s_options_change_no_spike(implementation: str, reset, detach: bool) -> None:
    current = [0.75, 0.75, 2.0, 0.5, 1.0]
    assert run(current, reset=reset, detach_reset=detach) == run(current, reset=reset)


def test_ties_are_decided_by_the_comparison(implementation: str) -> None:
    """u = 1, then 1 and 1.5: exact in binary."""
    assert run([1.0, 1.0, 1.0])[0] == [1, 1, 1]
    assert run([1.0, 0.5, 0.5], comparison=Above()) == ([0, 0, 0], 1.0)
    assert run([1.0, 0.5, 0.75], comparison=Above())[0] == [0, 0, 1]
    assert run([1.0, 1.0, 1.0], comparison=AtOrAbove()) == run([1.0, 1.0, 1.0])


@pytest.mark.parametrize("time_dim", [0, 1, 2, -1, -2, -3])
def test_time_may_be_any_axis(implementation: str, time_dim: int) -> None:
    current = cases.normal(4, 5, 6, dtype=torch.float32) * 2
    options = {"beta": 0.9, "v_threshold": 1.0, "surrogate": SURROGATE}
    spikes, v = fire(current, time_dim=time_dim, **options)
    first, v_first = fire(current.movedim(time_dim, 0), time_dim=0, **options)
    assert torch.equal(spikes, first.movedim(0, time_dim))
    assert torch.equal(v, v_first)


@pytest.mark.parametrize("cut", [1, 4, 7])
@pytest.mark.parametrize("reset", [Subtract(), ToValue(-0.5)])
def test_two_halves_with_carried_state_equal_one_run(implementation: str, reset, cut: int) -> None:
    current = cases.normal(8, 2, 3, dtype=torch.float32) * 2
    options = {"beta": 0.9, "v_threshold": 1.0, "surrogate": SURROGATE, "reset": reset}
    whole, last = fire(current, time_dim=0, **options)
    one, carried = fire(current[:cut], time_dim=0, **options)
    two, ended = fire(current[cut:], carried, time_dim=0, **options)
    assert torch.equal(torch.cat([one, two]), whole)
    assert torch.equal(ended, last)


def golden() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Currents, R, U and s of the golden trace (two neurons, six steps)."""
    p = torch.tensor(
        [[0, 0], [1, 0], [1.751319, 0], [2.301190, 1], [2.688734, 1.751319], [3.946284, 3.301190]],
        dtype=torch.float64,
    )
    w = torch.tensor([[1.0, 1.0], [-1.0, 1.0]], dtype=torch.float64)
    r = torch.tensor(
        [[0, 0], [1, 1], [0.606531, 0.606531], [1.367879, 0.367879], [1.829661, 0.223130],
         [2.109745, 0.135335]],
        dtype=torch.float64,
    )  # fmt: skip
    u = torch.tensor(
        [[0, 0], [-0.292893, -1.707107], [0.631839, -1.844900], [0.966415, -1.287960],
         [1.309931, -0.885982], [3.014993, -0.591485]],
        dtype=torch.float64,
    )  # fmt: skip
    s = torch.tensor([[1, 1], [0, 0], [1, 0], [1, 0], [1, 0], [1, 0]], dtype=torch.float64)
    return p @ w.T / math.sqrt(2), r, u, s


def test_the_golden_trace_of_the_spike_response_neuron() -> None:
    """Section 1.5 of the specification: R and U to six decimals, s exactly."""
    current, r, u, s = golden()
    for step in range(1, 7):
        spikes, state, membrane = refractory_fire(
            current[:step, None], time_dim=0, decay=DECAY, v_threshold=0.0, surrogate=Boxcar()
        )
        torch.testing.assert_close(state.refractory[0], r[step - 1], rtol=0, atol=1e-6)
    torch.testing.assert_close(membrane[:, 0], u, rtol=0, atol=2e-6)
    assert torch.equal(spikes[:, 0], s)
    assert torch.equal(state.spikes[0], s[-1])


def refractory(current: list[float], **options) -> list[float]:
    options = {"decay": 0.5, "v_threshold": 0.0, "surrogate": Boxcar()} | options
    return refractory_fire(torch.tensor(current)[:, None], time_dim=0, **options)[0][:, 0].tolist()


def test_a_silent_neuron_of_threshold_zero_fires_once_unless_ties_do_not_count(
    implementation: str,
) -> None:
    assert refractory([0.0] * 5) == [1, 0, 0, 0, 0]
    assert refractory([0.0] * 5, comparison=Above()) == [0] * 5
    assert refractory([0.0] * 5, v_threshold=0.5) == [0] * 5


def test_refractoriness_by_hand(implementation: str) -> None:
    """I = 1: R = 0 | 1 (U = 0, a tie) | 1.5 | .75 | 1.375."""
    assert refractory([1.0] * 5) == [1, 1, 0, 1, 0]
    # strictly above, the tie is no spike and R goes 0, 1, .5, 1.25, .625
    assert refractory([1.0] * 5, comparison=Above()) == [1, 0, 1, 0, 1]


@pytest.mark.parametrize("cut", [1, 4, 7])
def test_the_refractory_state_carries_over(cut: int) -> None:
    current = cases.normal(8, 2, 3)
    options = {"time_dim": 0, "decay": DECAY, "v_threshold": 0.1, "surrogate": Boxcar()}
    whole, last, u = refractory_fire(current, **options)
    one, carried, u_one = refractory_fire(current[:cut], **options)
    two, ended, u_two = refractory_fire(current[cut:], carried, **options)
    assert torch.equal(torch.cat([one, two]), whole)
    assert torch.equal(torch.cat([u_one, u_two]), u)
    assert all(torch.equal(a, b) for a, b in zip(ended, last, strict=True))


@pytest.mark.parametrize("beta", [-0.01, 1.01, float("nan")])
def test_a_leak_outside_its_range_is_refused(beta: float) -> None:
    with pytest.raises(ValueError, match=r"beta must lie in \[0.0, 1.0\]"):
        run([0.0], beta=beta)
    with pytest.raises(ValueError, match=r"decay must lie in \[0.0, 1.0\]"):
        refractory([0.0], decay=beta)


WRONG = [
    (torch.zeros(4), r"shape \(4,\) instead of \(3,\)"),
    (torch.zeros(3).half(), "dtype torch.float16 instead of torch.float32"),
    (torch.zeros(3, device="meta"), "device meta instead of cpu"),
]


@pytest.mark.parametrize(("state", "message"), WRONG)
def test_a_wrong_state_is_refused(state: Tensor, message: str) -> None:
    current = torch.zeros(2, 3)
    with pytest.raises(ValueError, match=f"the membrane has {message}"):
        fire(current, state, time_dim=0, beta=0.5, v_threshold=1.0, surrogate=SURROGATE)
    options = {"time_dim": 0, "decay": 0.5, "v_threshold": 0.0, "surrogate": SURROGATE}
    with pytest.raises(ValueError, match=f"the refractory trace has {message}"):
        refractory_fire(current, RefractoryState(state, torch.zeros(3)), **options)
    with pytest.raises(ValueError, match=f"the last spikes has {message}"):
        refractory_fire(current, RefractoryState(torch.zeros(3), state), **options)


@pytest.mark.parametrize("state", [None, torch.zeros(2, 3)])
def test_no_step_is_an_error(implementation: str, state: Tensor | None) -> None:
    current = torch.zeros(2, 0, 3)
    message = r"the current of fire has no time step: its shape \(2, 0, 3\)"
    with pytest.raises(ValueError, match=message):
        fire(current, state, time_dim=1, beta=0.5, v_threshold=1.0, surrogate=SURROGATE)
    carried = None if state is None else RefractoryState(state, state)
    message = r"the current of refractory_fire has no time step: its shape \(2, 0, 3\)"
    with pytest.raises(ValueError, match=message):
        refractory_fire(
            current, carried, time_dim=1, decay=0.5, v_threshold=0.0, surrogate=SURROGATE
        )
