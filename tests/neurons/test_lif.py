"""neurons/lif: LIF and IF find time by their feature axes and hand state on."""

import math

import pytest
import torch

from bayesnn_spike.neurons import IF, LIF, Above, Boxcar, ToValue
from bayesnn_spike.ops.fire import fire
from tests.ops import cases


def test_lif_by_hand() -> None:
    """beta .5: u = .75 | 1.125 | 2.0625 | .53125."""
    neuron = LIF(beta=0.5)
    spikes, v = neuron(torch.tensor([0.75, 0.75, 2.0, 0.0]).view(4, 1, 1))
    assert spikes.flatten().tolist() == [0, 1, 1, 0]
    assert v.tolist() == [[0.53125]]


def test_if_integrates_without_leak() -> None:
    """Four currents of a quarter make one spike, exactly, and then again."""
    spikes, v = IF()(torch.full((9, 1, 1), 0.25))
    assert spikes.flatten().tolist() == [0, 0, 0, 1, 0, 0, 0, 1, 0]
    assert v.item() == 0.25


@pytest.mark.parametrize(
    ("neuron", "shape", "time"),
    [
        (LIF(), (4, 2, 3), 0),
        (LIF(), (5, 4, 2, 3), 1),
        (LIF(feature_dims=3), (4, 2, 3, 5, 6), 0),
        (LIF(feature_dims=3), (5, 4, 2, 3, 5, 6), 1),
        (LIF(feature_dims=0), (4, 2), 0),
    ],
)
def test_time_is_found_from_the_features(neuron: LIF, shape: tuple[int, ...], time: int) -> None:
    current = cases.normal(*shape) * 2
    spikes, v = neuron(current)
    expected, last = fire(
        current, time_dim=time, beta=0.9, v_threshold=1.0, surrogate=neuron.surrogate
    )
    assert torch.equal(spikes, expected)
    assert torch.equal(v, last)
    assert v.shape == shape[:time] + shape[time + 1 :]


@pytest.mark.parametrize("kind", [LIF, IF])
def test_every_option_reaches_the_op(kind: type) -> None:
    options = {
        "v_threshold": 0.7,
        "reset": ToValue(-0.25),
        "surrogate": Boxcar(2.0),
        "comparison": Above(),
        "detach_reset": False,
    }
    beta = {"beta": 0.8} if kind is LIF else {}
    current = cases.lattice(6, 3, 4, dtype=torch.float64)
    inputs = [current.clone().requires_grad_() for _ in range(2)]
    found = kind(**options, **beta)(inputs[0])
    expected = fire(inputs[1], time_dim=0, beta=beta.get("beta", 1.0), **options)
    for one, two in zip(found, expected, strict=True):
        assert torch.equal(one, two)
    grads = [
        torch.autograd.grad(spikes.sum() + v.sum(), x)[0]
        for (spikes, v), x in zip((found, expected), inputs, strict=True)
    ]
    assert torch.equal(*grads)


def test_two_halves_with_carried_state_equal_one_run() -> None:
    current = cases.normal(2, 8, 3, 4) * 2
    neuron = LIF()
    whole, last = neuron(current)
    one, carried = neuron(current[:, :3])
    two, ended = neuron(current[:, 3:], carried)
    assert torch.equal(torch.cat([one, two], 1), whole)
    assert torch.equal(ended, last)


def test_a_neuron_keeps_nothing() -> None:
    neuron, current = LIF(), cases.normal(4, 2, 3)
    assert torch.equal(neuron(current)[0], neuron(current)[0])
    assert neuron.state_dict() == {}


def test_the_leak_from_time_constants() -> None:
    neuron = LIF.from_tau(tau_mem_ms=20.0, dt_ms=2.0, v_threshold=0.5)
    assert neuron.beta == math.exp(-0.1)
    assert neuron.v_threshold == 0.5


def test_a_wrong_state_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the membrane has shape \(2, 4\) instead of \(2, 3\)"):
        LIF()(torch.zeros(5, 2, 3), torch.zeros(2, 4))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: LIF(beta=1.5), r"beta must lie in \[0.0, 1.0\], got 1.5"),
        (lambda: LIF(v_threshold=0.0), "v_threshold must be positive, got 0.0"),
        (lambda: IF(v_threshold=-1.0), "v_threshold must be positive"),
        (lambda: LIF.from_tau(tau_mem_ms=0, dt_ms=1), "tau_mem_ms must be positive"),
        (lambda: LIF.from_tau(tau_mem_ms=10, dt_ms=0), "dt_ms must be positive"),
    ],
)
def test_wrong_options_are_refused(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_the_repr_says_what_it_is() -> None:
    assert repr(LIF(beta=0.5, feature_dims=3)) == (
        "LIF(beta=0.5, v_threshold=1, reset=Subtract(), surrogate=FastSigmoid(slope=2.0), "
        "feature_dims=3)"
    )
