"""The accountings against numbers that can be computed by hand, and the known energy of VGG16."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from bayesnn_spike.energy import (
    FP32,
    INT16_ADD,
    Counts,
    NeuroBench,
    Operations,
    Paper,
    Strict,
    cost,
    count,
    count_ann,
)
from bayesnn_spike.neurons import IF, LIF
from bayesnn_spike.nn import Conv2d, Fold, Linear, Sequential
from tests.energy.brute import filled, inputs_of, near, numbers_like, small_snn, spikes_like
from tests.energy.vgg import vgg16


@pytest.fixture(scope="module")
def vgg() -> Counts:
    return count_ann(vgg16(), torch.ones(1, 3, 32, 32))


def test_vgg16_on_cifar10_is_338_40_million_macs_and_1_5567_mj(vgg: Counts) -> None:
    assert sum(s.dense for s in vgg.synapses) == 338_403_328  # 338.40 M
    assert vgg.synapses[0].dense == 1_769_472  # 1.77 M
    assert f"{1e3 * cost(vgg, FP32, Paper()).joules:.4f} mJ" == "1.5567 mJ"
    assert len(vgg.synapses) == 16


def test_without_the_paddings_zeros_vgg16_is_a_fifth_smaller(vgg: Counts) -> None:
    """Its last maps are 2x2: 4 of 9 taps meet an input."""
    exact = sum(s.connections for s in vgg.synapses)
    last = next(s for s in vgg.synapses if s.name == "28")
    assert last.connections * 9 == last.dense * 4
    assert exact == pytest.approx(0.805 * 338.40e6, rel=1e-3)
    assert cost(vgg, FP32, Strict()).joules == near(exact * 4.6e-12)


def operations(counts: Counts, accounting) -> list[Operations]:
    return [accounting.synapse(s, ann=counts.ann, signs=False) for s in counts.synapses]


def test_paper_is_rate_times_dense_macs() -> None:
    network, x = small_snn(), spikes_like(4, 3, 2, 6, 6)
    seen = inputs_of(network, x, ["conv", "strided", "head"])
    found = operations(count(network, x), Paper())
    dense = {"conv": 3 * 36 * 18, "strided": 4 * 4 * 12, "head": 80}
    for operation, (name, macs) in zip(found, dense.items(), strict=True):
        # T steps of three examples; the mean of pooled spikes is the rate of the pooled neurons.
        assert operation.acs == near(4 * 3 * macs * float(seen[name].mean()))
        assert operation.macs == operation.sign_adds == 0


@pytest.mark.parametrize("accounting", [Paper(), Strict()])
def test_an_analog_first_layer_is_macs_at_every_step(accounting) -> None:
    network, image = small_snn(), numbers_like(1, 3, 2, 6, 6)
    counts = count(network, image.expand(4, 3, 2, 6, 6))
    first, *others = operations(counts, accounting)
    per_step = 3 * 36 * 18 if accounting == Paper() else 3 * 2 * 16 * 16
    assert first == Operations(macs=4 * 3 * per_step)
    assert all(o.macs == 0 for o in others)
    assert sum(o.acs for o in others) > 0


def test_a_held_analog_input_is_multiplied_once_and_added_at_every_step() -> None:
    network, image = small_snn(), numbers_like(1, 3, 2, 6, 6)
    counts = count(network, image.expand(4, 3, 2, 6, 6))
    first = operations(counts, Strict(hold_analog=True))[0]
    assert first == Operations(macs=3 * 3 * 2 * 16 * 16, acs=4 * 3 * 3 * 36)
    # Spikes are not held, and neither are inputs that change.
    spiking = count(network, spikes_like(4, 3, 2, 6, 6))
    assert operations(spiking, Strict(hold_analog=True)) == operations(spiking, Strict())
    moving = count(network, numbers_like(4, 3, 2, 6, 6))
    assert operations(moving, Strict(hold_analog=True)) == operations(moving, Strict())


def test_ternary_poisson_inputs_are_additions_in_every_accounting() -> None:
    x = spikes_like(6, 2, 8) - spikes_like(6, 2, 8, seed=1)
    counts = count(filled(Sequential(first=Linear(8, 5))), x)
    expected = Operations(acs=5.0 * int((x != 0).sum()))
    for accounting in (Strict(), NeuroBench()):
        assert operations(counts, accounting) == [expected]
    assert operations(counts, Paper())[0].acs == near(expected.acs)


def test_pooled_spikes_are_additions_but_for_neurobench() -> None:
    network = Sequential(pool=Fold(nn.AvgPool2d(2), feature_dims=3), conv=Conv2d(1, 2, 1))
    x = spikes_like(3, 2, 1, 4, 4)
    x[0, 0, 0, :2, :2] = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    counts = count(filled(network), x)
    (strict,), (paper,), (bench,) = (
        operations(counts, a) for a in (Strict(), Paper(), NeuroBench())
    )
    spikes = float(x.sum())
    assert strict == Operations(acs=2 * spikes)
    assert paper == Operations(acs=near(2 * spikes / 4))
    cells = int((x.unfold(3, 2, 2).unfold(4, 2, 2).sum((-1, -2)) > 0).sum())
    assert bench == Operations(macs=2 * cells)


def test_t_steps_are_not_counted_twice() -> None:
    """The same input twice as long is twice the operations, and no more, without neurons."""
    network = filled(Sequential(first=Linear(6, 4)))
    x = spikes_like(5, 2, 6)
    short, long = count(network, x), count(network, torch.cat([x, x]))
    for accounting in (Paper(), Strict(), NeuroBench()):
        one, two = (cost(c, FP32, accounting).joules for c in (short, long))
        assert two == near(2 * one)


def test_biases_and_neurons_are_in_strict_alone() -> None:
    network = filled(Sequential(first=Linear(6, 4, bias=True), fire=LIF(beta=0.9)))
    counts = count(network, spikes_like(5, 2, 6))
    (s,), (n,) = counts.synapses, counts.neurons
    assert Strict().fixed(s, ann=False) == Operations(acs=5 * 2 * 4)
    assert n.updates == 40
    assert Strict().neuron(n) == Operations(acs=40 + n.nonzero, multiplications=40)
    shifting = replace(n, multiplications=0, shifts=40)
    assert Strict().neuron(shifting) == Operations(acs=80 + n.nonzero)
    for accounting in (Paper(), NeuroBench()):
        assert accounting.fixed(s, ann=False) == accounting.neuron(n) == Operations()


def test_leaks_of_1_and_activations_cost_nothing() -> None:
    found = count(filled(Sequential(first=Linear(6, 4), fire=IF())), torch.zeros(5, 2, 6))
    assert Strict().neuron(found.neurons[0]) == Operations(acs=40)
    relu = count_ann(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), torch.ones(1, 3)).neurons[0]
    assert Strict().neuron(relu) == Operations()


def test_weights_of_one_magnitude_add_and_subtract() -> None:
    network = Sequential(first=Linear(6, 4))  # all ones
    spiking, analog = count(network, spikes_like(5, 2, 6)), count(network, numbers_like(5, 2, 6))
    for counts, number in ((spiking, spiking.synapses[0].synops), (analog, 240)):
        (s,) = counts.synapses
        assert Strict().synapse(s, ann=False, signs=True) == Operations(sign_adds=number)
        assert not Strict().synapse(s, ann=False, signs=False).sign_adds
        assert not Paper().synapse(s, ann=False, signs=True).sign_adds
    real = count(filled(network), spikes_like(5, 2, 6)).synapses[0]
    assert not Strict().synapse(real, ann=False, signs=True).sign_adds
    priced = cost(spiking, FP32.with_signs(INT16_ADD), Strict()).joules
    assert priced == near(spiking.synapses[0].synops / 2 * 0.05e-12)


def test_an_ann_multiplies_zeros_too_but_for_neurobench() -> None:
    images = numbers_like(4, 1, 5, 5) * spikes_like(4, 1, 5, 5)
    counts = count_ann(nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.Flatten()), images)
    assert operations(counts, Strict()) == [Operations(macs=4 * 2 * 9 * 9)]
    (bench,) = operations(counts, NeuroBench())
    assert 0 < bench.macs < 4 * 2 * 9 * 9


def test_spikes_that_an_application_could_cost() -> None:
    counts = count(small_snn(), spikes_like(4, 3, 2, 6, 6))
    strided = counts.synapses[1]
    assert Paper().acs_of_a_spike(strided) == 4 * 4 * 12
    assert Strict().acs_of_a_spike(strided) == 4 * (4 * 3 * 9)  # four spikes in every cell
    assert NeuroBench().acs_of_a_spike(strided) == 4 * 3 * 9
