"""nn/sequential: state is threaded through the layers that have one."""

import pytest
import torch
from torch import Tensor, nn

from bayesnn_spike.neurons import LIF
from bayesnn_spike.nn import Flatten, Linear, Sequential
from tests.ops import cases


class Adder(nn.Module):
    """Adds its state, which counts calls: order and hand-over show in the sum."""

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        state = torch.zeros(()) if state is None else state
        return x + state, state + 1


def test_state_goes_to_the_layers_that_take_one() -> None:
    chain = Sequential(first=Adder(), plain=nn.Identity(), second=Adder())
    x = torch.zeros(2)
    y, state = chain(x)
    assert y.tolist() == [0, 0]
    assert state == (torch.tensor(1.0), None, torch.tensor(1.0))
    y, state = chain(x, (torch.tensor(2.0), None, torch.tensor(5.0)))
    assert y.tolist() == [7, 7]
    assert state == (torch.tensor(3.0), None, torch.tensor(6.0))


def test_chains_nest() -> None:
    inner = Sequential(a=Adder())
    y, state = Sequential(inner=inner, b=Adder())(torch.zeros(1), ((torch.tensor(2.0),), None))
    assert y.tolist() == [2]
    assert state == ((torch.tensor(3.0),), torch.tensor(1.0))


def test_layers_run_in_order_under_their_names() -> None:
    chain = Sequential(flatten=Flatten(2), synapse=Linear(6, 2), neuron=LIF())
    assert list(chain.state_dict()) == ["synapse.weight"]
    x = cases.spikes(4, 3, 2, 3)
    y, state = chain(x)
    expected, membrane = chain.neuron(chain.synapse(x.flatten(2)))
    assert torch.equal(y, expected)
    assert torch.equal(state[2], membrane)
    assert state[:2] == (None, None)


def test_two_halves_with_carried_state_equal_one_run() -> None:
    chain = Sequential(one=LIF(beta=0.5), synapse=Linear(3, 3), two=LIF())
    x = cases.lattice(8, 2, 3)
    whole, _ = chain(x)
    first, state = chain(x[:5])
    second, _ = chain(x[5:], state)
    assert torch.equal(torch.cat([first, second]), whole)


def test_a_state_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="the state has 1 entries for 2 layers; pass None"):
        Sequential(a=Adder(), b=Adder())(torch.zeros(1), (None,))
