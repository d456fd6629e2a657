"""Which leaks need a multiplier."""

import pytest
import torch
from torch import nn

from bayesnn_spike.energy.leaks import leaks_of
from bayesnn_spike.neurons import IF, LIF, Refractory, SynapticTrace


@pytest.mark.parametrize(
    ("beta", "multiplications", "shifts"),
    [
        (1.0, 0, 0),
        (0.0, 0, 0),
        (0.5, 0, 0),  # a shift alone
        (0.25, 0, 0),
        (0.75, 0, 1),  # a shift and a subtraction
        (1 - 2.0**-7, 0, 1),
        (0.9, 1, 0),
        (0.99, 1, 0),
    ],
)
def test_leaks_of_a_lif(beta: float, multiplications: int, shifts: int) -> None:
    assert leaks_of(LIF(beta=beta)) == (multiplications, shifts, 1)


def test_other_neurons() -> None:
    assert leaks_of(IF()) == (0, 0, 1)
    assert leaks_of(SynapticTrace()) == (2, 0, 2)
    assert leaks_of(Refractory()) == (1, 0, 1)
    assert leaks_of(None) == (0, 0, 0)


def test_a_leak_may_be_a_tensor_and_the_worst_value_counts() -> None:
    neuron = nn.Module()
    neuron.register_buffer("leak", torch.tensor([1.0, 0.5]))
    assert leaks_of(neuron) == (0, 0, 1)
    neuron.leak = torch.tensor([1.0, 0.5, 0.875])
    assert leaks_of(neuron) == (0, 1, 1)
    neuron.leak = torch.tensor([0.875, 0.3])
    assert leaks_of(neuron) == (1, 0, 1)


def test_a_neuron_that_hides_its_leak_multiplies() -> None:
    assert leaks_of(nn.Identity()) == (1, 0, 1)
