"""nn/state: walking the tree of a network's state."""

from typing import NamedTuple

import pytest
import torch
from torch import nn

from bayesnn_spike.neurons import LIF, Delayed, ThresholdNeuron
from bayesnn_spike.nn import Graph, LocalReadouts, Node, Sequential, at_rest, map_state
from bayesnn_spike.rng import Stream


class Pair(NamedTuple):
    one: torch.Tensor
    two: torch.Tensor | None


def test_every_tensor_is_mapped_and_the_structure_is_kept() -> None:
    one = torch.tensor(1.0)
    state = (None, Pair(one, None), {"a": one, "b": (one,)}, ())
    found = map_state(lambda x: x + 1, state)
    two = torch.tensor(2.0)
    assert found == (None, Pair(two, None), {"a": two, "b": (two,)}, ())
    assert isinstance(found[1], Pair)


def test_states_are_detached_by_it() -> None:
    x = torch.ones(2, requires_grad=True) * 2
    assert not map_state(torch.Tensor.detach, (x,))[0].requires_grad


@pytest.mark.parametrize("state", [[torch.zeros(1)], 3, (1.0,), "state"])
def test_anything_else_is_refused(state: object) -> None:
    with pytest.raises(TypeError, match="a network state holds tensors, tuples, dicts and None"):
        map_state(lambda x: x, state)


def delayed() -> Graph:
    neuron = ThresholdNeuron(order=Delayed())
    return Graph({"flat": Node(nn.Identity(), ("input",)), "fire": Node(neuron, ("flat",))})


def test_the_state_at_rest_is_nothing_or_one_nothing_a_layer() -> None:
    assert at_rest(nn.Linear(2, 2), 1) is None
    assert at_rest(Sequential(one=LIF(), two=nn.Identity()), 1) == (None, None)
    assert at_rest(delayed(), 2) == (None, None)
    local = LocalReadouts([LIF(), LIF()], sizes=[3, 3], n_out=2, stream=Stream(0))
    assert at_rest(local, 1) == (None, None)
    x = torch.ones(2, 1, 3)
    for network in (Sequential(one=LIF()), local, delayed()):
        torch.testing.assert_close(network(x, at_rest(network, 2))[0], network(x)[0])


def test_what_is_inside_is_asked_and_its_chunks_may_be_short() -> None:
    inner = delayed()
    local = LocalReadouts([inner], sizes=[1], n_out=2, stream=Stream(0))
    for network in (Sequential(a=nn.Identity(), b=inner), local):
        with pytest.raises(ValueError, match="1 time steps cannot cross 1 spiking layers"):
            at_rest(network, 1)
        state = at_rest(network, 2)
        for _ in range(2):
            _, state = network(torch.ones(1, 1, 1), state)
        with pytest.raises(ValueError, match="1 time steps cannot cross 1 spiking layers"):
            network(torch.ones(1, 1, 1))
