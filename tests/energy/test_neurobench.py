"""NeuroBench's metrics, from its definitions: indicator weights times indicator inputs."""

import json

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bayesnn_spike.convert import with_qcfs
from bayesnn_spike.energy import count, count_ann, neurobench_metrics
from bayesnn_spike.neurons import IF, SynapticTrace, ThresholdNeuron
from bayesnn_spike.nn import Linear, Sequential
from tests.energy.brute import filled, inputs_of, near, numbers_like, small_snn, spikes_like


def test_a_spiking_network() -> None:
    network, x = small_snn(), spikes_like(4, 3, 2, 6, 6)
    network.head.weight.data[:, ::2] = 0.0
    seen = inputs_of(network, x, ["conv", "strided", "head", "fire", "fire2"])
    ones = {n: (seen[n] != 0).float() for n in ("conv", "strided", "head")}
    used = {n: (getattr(network, n).weight != 0).float().detach() for n in ones}
    conv = F.conv2d(ones["conv"].flatten(0, 1), used["conv"], padding=1)
    pooled = F.conv2d(ones["strided"].flatten(0, 1), used["strided"], stride=2, padding=1)
    found = neurobench_metrics(count(network, x))
    head = F.linear(ones["head"], used["head"])
    assert found["Effective_ACs"] == near(float(conv.sum() + head.sum()) / 3)
    assert found["Effective_MACs"] == near(float(pooled.sum()) / 3)
    assert found["Dense"] == 4 * (3 * 2 * 16 * 16 + 4 * 3 * 9 + 80)
    assert found["connection_sparsity"] == near(40 / (54 + 48 + 80))
    spikes = [network.fire(seen["fire"])[0], network.fire2(seen["fire2"])[0]]
    zeros = sum(int((s == 0).sum()) for s in spikes) / sum(s.numel() for s in spikes)
    assert found["activation_sparsity"] == near(zeros)


def test_an_ann_is_spared_its_zeros() -> None:
    ann = filled(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)))
    images = numbers_like(4, 6)
    alive = int((ann[0](images) > 0).sum())
    found = neurobench_metrics(count_ann(ann, images))
    assert found["Effective_MACs"] == near((4 * 30 + 3 * alive) / 4)
    assert found["Effective_ACs"] == 0
    assert found["Dense"] == 45
    assert found["activation_sparsity"] == near(1 - alive / 20)


def test_a_quantised_relu_is_an_activation_and_a_function_is_not_seen() -> None:
    class Functional(nn.Module):
        """Its activation is a function."""

        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(6, 5), nn.Linear(5, 3)

        def forward(self, x):
            return self.b(F.relu(self.a(x)))

    images = numbers_like(4, 6)
    found = neurobench_metrics(count_ann(filled(Functional()), images))
    assert found["activation_sparsity"] is None
    assert json.loads(json.dumps(found))["activation_sparsity"] is None
    ann = filled(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)))
    quantised = with_qcfs(ann.eval(), 4, images)
    zeros = int((quantised[1](quantised[0](images)) == 0).sum())
    assert 0 < zeros < 20
    assert neurobench_metrics(count_ann(quantised, images))["activation_sparsity"] == zeros / 20


def test_nothing_to_share() -> None:
    found = neurobench_metrics(count_ann(nn.Linear(2, 2), torch.ones(1, 2)))
    assert (found["activation_sparsity"], found["connection_sparsity"]) == (None, 0.0)
    assert found["Effective_ACs"] == 4  # inputs of 1 are spikes to NeuroBench
    assert found["membrane_updates"] == 0
    with pytest.raises(TypeError, match="counts must be Counts"):
        neurobench_metrics(nn.Linear(2, 2))


def test_the_size_of_the_network() -> None:
    network = Sequential(first=Linear(6, 4, bias=True), fire=ThresholdNeuron(), norm=nn.Identity())
    network.norm.register_buffer("mean", torch.zeros(3, dtype=torch.float64))
    counts = count(network, spikes_like(5, 2, 6))
    found = neurobench_metrics(counts)
    assert found["parameter_count"] == 24 + 4
    # In fp32 the parameters, a threshold and a leak; three numbers of eight bytes.
    assert found["footprint"] == 4 * (28 + 2) + 3 * 8
    # A committee is drawn from one network; the ANN of its shape is none.
    for many in (counts.times(3), counts + counts, counts.beside(counts)):
        assert neurobench_metrics(many)["footprint"] == found["footprint"]
        assert neurobench_metrics(many)["parameter_count"] == 28
    no_network = neurobench_metrics(counts.as_ann())
    assert (no_network["footprint"], no_network["parameter_count"]) == (None, None)


def test_membranes_change_at_the_first_step_and_by_resets() -> None:
    """One input of 1 into thresholds of 1: it fires where the input is, at steps 0, 2 and 3."""
    network = Sequential(first=Linear(1, 3), fire=IF())
    x = torch.zeros(4, 2, 1)
    x[0, 0] = x[2, 0] = x[3, 0] = 1.0  # the other example is silent
    counts = count(network, x)
    assert counts.neurons[0].nonzero == 9
    # Six membranes at the first step; three fire at two later ones.
    assert counts.neurons[0].membrane_updates == 6 + 2 * 3
    assert neurobench_metrics(counts)["membrane_updates"] == 6
    assert neurobench_metrics(counts.times(5))["membrane_updates"] == 30
    # A trace has no reset.
    traced = Sequential(trace=SynapticTrace(), first=Linear(1, 3), fire=IF(v_threshold=9.0))
    assert neurobench_metrics(count(traced, x))["membrane_updates"] == 3


def test_a_neuron_that_is_called_step_by_step_starts_once() -> None:
    class Loop(nn.Module):
        """The user's own neuron sees no axis of time."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.fire = nn.Linear(6, 8), Untimed()

        def forward(self, x):
            state = torch.zeros(x.shape[1], 8)
            for step in x:
                spikes, state = self.fire(self.first(step), state)
            return spikes

    class Untimed(nn.Module):
        """Threshold 1 and soft reset."""

        def forward(self, current, state):
            state = state + current
            spikes = (state >= 1).float()
            return spikes, state - spikes

    loop, x = filled(Loop()), spikes_like(7, 4, 6)
    chain = Sequential(first=nn.Linear(6, 8), fire=IF())
    chain.first.load_state_dict(loop.first.state_dict())
    found, expected = (count(n, x).neurons[0].membrane_updates for n in (loop, chain))
    assert found == expected > 4 * 8
