"""models/mlp: shapes, names and scales of the fully connected networks."""

import math

import pytest
import torch
from torch.func import functional_call

from bayesnn_spike.models import local_mlp, mlp
from bayesnn_spike.neurons import IF
from bayesnn_spike.rng import Stream
from tests.ops import cases


def test_parameters_and_scales() -> None:
    network = mlp(9, (16, 4), 3, gain_in=6.0, gain_hidden=2.0, gain_out=5.0)
    shapes = {name: tuple(p.shape) for name, p in network.named_parameters()}
    assert shapes == {
        "input.weight": (16, 9),
        "hidden1.weight": (4, 16),
        "readout.weight": (3, 4),
    }
    assert network.input.scale == 6.0 / 3
    assert network.hidden1.scale == 2.0 / 4
    assert network.readout.scale == 5.0 / 2


@pytest.mark.parametrize("draws", [(), (1,), (3,)])
def test_draws_time_and_batch_lead(draws: tuple[int, ...]) -> None:
    network = mlp(12, (5,), 4, feature_dims=3)
    x = cases.spikes(6, 2, 3, 2, 2)
    weights = {n: cases.signs(*draws, *p.shape) for n, p in network.named_parameters()}
    readout, state = functional_call(network, weights, (x,))
    assert readout.shape == (*draws, 6, 2, 4)
    assert state[2].shape == (*draws, 2, 5)


def test_a_network_by_hand() -> None:
    """One input spike a step, two IF neurons of opposite sign, readout of their difference."""
    network = mlp(1, (2,), 2, neuron=IF, gain_in=0.5, gain_out=math.sqrt(2))
    weights = {
        "input.weight": torch.tensor([[1.0], [-1.0]]),
        "readout.weight": torch.tensor([[1.0, 1.0], [-1.0, 1.0]]),
    }
    readout, _ = functional_call(network, weights, (torch.ones(4, 1, 1),))
    assert readout[:, 0].tolist() == [[0, 0], [1, -1], [0, 0], [1, -1]]


def test_two_halves_with_carried_state_equal_one_run() -> None:
    x = cases.spikes(8, 3, 5)
    for network in (mlp(5, (6,), 2), local_mlp(5, (6, 4), 2, stream=Stream(0))):
        weights = {n: cases.signs(*p.shape) for n, p in network.named_parameters()}
        whole, _ = functional_call(network, weights, (x,))
        one, state = functional_call(network, weights, (x[:3],))
        two, _ = functional_call(network, weights, (x[3:], state))
        if isinstance(whole, torch.Tensor):
            one, two, whole = (one,), (two,), (whole,)
        for first, second, both in zip(one, two, whole, strict=True):
            torch.testing.assert_close(torch.cat([first, second]), both)


def test_the_two_moons_network_has_70656_binary_weights() -> None:
    network = local_mlp(20, (256, 256), 1, stream=Stream(0))
    assert sum(p.numel() for p in network.parameters()) == 70_656
    readouts, _ = network(cases.spikes(3, 2, 20))
    assert [tuple(r.shape) for r in readouts] == [(3, 2, 1), (3, 2, 1)]


def test_a_local_network_flattens_maps_first() -> None:
    network = local_mlp(12, (4,), 2, stream=Stream(0), feature_dims=3)
    readouts, _ = network(cases.spikes(3, 5, 2, 3, 2))
    assert readouts[0].shape == (3, 5, 2)
