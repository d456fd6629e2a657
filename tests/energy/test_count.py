"""Counts equal brute force: every input of every step, looked at one by one."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from bayesnn_spike.convert import QcfsReLU, convert
from bayesnn_spike.encoding import Direct, direct
from bayesnn_spike.energy import Counts, Strict, count, count_ann
from bayesnn_spike.neurons import IF, LIF
from bayesnn_spike.nn import Conv2d, Flatten, Fold, Linear, Sequential
from tests.energy.brute import (
    filled,
    inputs_of,
    near,
    numbers_like,
    reached_by_all,
    small_snn,
    spikes_like,
)

GEOMETRY = {"conv": {"padding": 1}, "strided": {"stride": 2, "padding": 1}, "head": {}}


def named(counts: Counts) -> dict:
    return {s.name: s for s in counts.synapses}


def test_a_small_network_equals_brute_force() -> None:
    network, x = small_snn(bias=True), spikes_like(4, 3, 2, 6, 6)
    network.strided.weight.data[spikes_like(4, 3, 2, 2, rate=0.3, seed=5) == 1] = 0.0
    seen = inputs_of(network, x, list(GEOMETRY))
    found = named(count(network, x))
    for name, geometry in GEOMETRY.items():
        s, value = found[name], seen[name]
        dims = 1 if name == "head" else 3
        weight = getattr(network, name).weight.detach()
        full = torch.ones_like(weight)
        assert s.weighted == reached_by_all(value, dims, full, **geometry)
        assert s.ops == reached_by_all((value != 0).float(), dims, full, **geometry)
        assert s.effective == reached_by_all((value != 0).float(), dims, weight, **geometry)
        assert s.connections == reached_by_all(torch.ones_like(value), dims, full, **geometry)
        assert s.nonzero == int((value != 0).sum())
        assert s.applications == 12
        assert s.zero_weights == int((weight == 0).sum())
    assert found["strided"].effective < found["strided"].ops
    # The padding's zeros are in the dense MACs: every output has the whole kernel.
    assert found["conv"].dense == 12 * (3 * 6 * 6) * (2 * 9)
    assert found["strided"].dense == 12 * (4 * 2 * 2) * (3 * 4)
    assert found["head"].dense == found["head"].connections == 12 * 16 * 5
    assert [s.bias for s in found.values()] == [True, False, False]


def test_pooled_spikes_are_the_spikes_that_were_pooled() -> None:
    network, x = small_snn(), spikes_like(4, 3, 2, 6, 6)
    seen = inputs_of(network, x, ["pool"])["pool"]
    s = named(count(network, x))["strided"]
    assert (s.spiking, s.area, s.amplitude, s.ternary) == (True, 4, 1.0, False)
    assert s.spikes == float(seen.sum())
    assert s.synops == 4 * s.weighted
    assert s.rate == near(float(seen.mean()))


def test_two_poolings_multiply_and_a_neuron_between_ends_them() -> None:
    network = filled(
        Sequential(
            twice=Fold(nn.Sequential(nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(2)), feature_dims=3),
            flat=Flatten(),
            first=Linear(8, 4, gain=3.0),
            fire=IF(),
            second=Linear(4, 2),
        )
    )
    x = spikes_like(5, 2, 2, 8, 8)
    found = named(count(network, x))
    assert found["first"].area == 16
    assert found["first"].spikes == float(x.sum())
    assert found["second"].area == 1


def test_a_sum_over_cells_is_the_same_spikes_as_their_average() -> None:
    x = spikes_like(4, 3, 2, 6, 6)
    mean, total = (
        count(
            filled(Sequential(pool=Fold(pool, feature_dims=3), strided=Conv2d(2, 4, 2, stride=1))),
            x,
        ).synapses[0]
        for pool in (nn.AvgPool2d(2), nn.AvgPool2d(2, divisor_override=1))
    )
    assert total.spikes == float(x.sum())
    assert (total.area, total.synops) == (4, mean.synops)
    assert total.rate == near(float(x.mean()))  # of a neuron, not of a cell


@pytest.mark.parametrize(
    "pool",
    [nn.AvgPool2d(3, ceil_mode=True), nn.AdaptiveAvgPool2d(3), nn.MaxPool2d(2)],
    ids=["ragged", "uneven", "maximum"],
)
def test_other_poolings_are_taken_for_what_comes_out(pool: nn.Module) -> None:
    network = Sequential(pool=Fold(pool, feature_dims=3), conv=filled(Conv2d(1, 2, 1)))
    s = count(network, spikes_like(3, 2, 1, 8, 8, rate=0.5)).synapses[0]
    assert (s.spiking, s.area) == (isinstance(pool, nn.MaxPool2d), 1)


def test_an_image_in_sixteenths_is_analog() -> None:
    """Values alone do not tell pooled spikes from grey levels."""
    image = torch.arange(16).reshape(1, 16) / 16
    network = filled(Sequential(first=Linear(16, 3), fire=IF(), head=Linear(3, 2)))
    first, head = count(network, image.expand(6, 1, 16)).synapses
    assert not first.spiking
    assert head.spiking
    assert (first.applications, first.distinct) == (6, 1)


def test_steps_that_are_equal_are_found_example_by_example() -> None:
    x = numbers_like(1, 3, 4).repeat(5, 1, 1)
    x[2, 1] += 1.0
    network = filled(Sequential(first=Linear(4, 3)))
    whole = count(network, x).synapses[0]
    assert (whole.applications, whole.distinct) == (15, 1 + 5 + 1)
    folded = count(Fold(filled(nn.Linear(4, 3)), feature_dims=1), x).synapses[0]
    assert (folded.applications, folded.distinct) == (15, 7)


def test_expanded_time_is_not_copied_and_counts_the_same() -> None:
    network, image = small_snn(), numbers_like(1, 2, 2, 6, 6)
    expanded = count(network, image.expand(4, 2, 2, 6, 6))
    assert expanded == count(network, image.repeat(4, 1, 1, 1, 1))


def test_nothing_in_nothing_counted() -> None:
    found = count(small_snn(), torch.zeros(4, 2, 2, 6, 6))
    assert [s.synops for s in found.synapses] == [0.0, 0.0, 0.0]
    assert [s.effective for s in found.synapses] == [0, 0, 0]
    assert all(s.spiking for s in found.synapses)
    assert [n.nonzero for n in found.neurons] == [0, 0]
    assert [n.updates for n in found.neurons] == [8 * 3 * 36, 8 * 16]


def test_one_spike_in_a_corner_or_in_the_middle() -> None:
    network = Sequential(conv=Conv2d(1, 7, 3, padding=1))
    for place, reach in (((0, 0), 4), ((0, 2), 6), ((3, 3), 9)):
        x = torch.zeros(2, 1, 1, 6, 6)
        x[(1, 0, 0, *place)] = 1.0
        assert count(network, x).synapses[0].synops == reach * 7


def test_signed_spikes_are_spikes() -> None:
    x = spikes_like(4, 3, 5) - spikes_like(4, 3, 5, seed=1)
    s = count(filled(Sequential(first=Linear(5, 2))), x).synapses[0]
    assert (s.ternary, s.spiking, s.synops) == (True, True, 2 * int((x != 0).sum()))


def test_scaled_spikes_are_spikes_but_not_ternary() -> None:
    x = spikes_like(4, 3, 5)
    s = count(filled(Sequential(first=Linear(5, 2))), 1.25 * x).synapses[0]
    assert (s.ternary, s.amplitude, s.synops) == (False, 1.25, 2 * float(x.sum()))


def test_twice_the_spikes_are_twice_the_operations() -> None:
    network = Sequential(conv=Conv2d(2, 3, 3, padding=1))
    x = spikes_like(4, 3, 2, 6, 6, rate=0.2)
    other = (1 - x) * spikes_like(4, 3, 2, 6, 6, rate=0.2, seed=1)
    one, two, both = (count(network, v).synapses[0].synops for v in (x, other, x + other))
    assert both == one + two


def test_batches_count_what_the_whole_counts() -> None:
    network, x = small_snn(bias=True), spikes_like(4, 6, 2, 6, 6)
    x[:, :2] = 0.0  # a first batch without a spike
    assert count(network, list(x.split((2, 3, 1), dim=1))) == count(network, x)
    image = numbers_like(1, 6, 2, 6, 6).repeat(4, 1, 1, 1, 1)
    image[:, 1], image[2, 3] = 0.0, 0.5
    whole, parts = count(network, image), count(network, image.split((2, 4), dim=1))
    for a, b in zip(whole.synapses, parts.synapses, strict=True):
        assert a.magnitude == near(b.magnitude)
        assert (a.distinct, a.ops, a.levels, a.area) == (b.distinct, b.ops, b.levels, b.area)
    assert whole.neurons == parts.neurons


def test_a_network_that_loops_over_time_itself_counts_the_same() -> None:
    class Loop(nn.Module):
        """The user's own: one step at a time."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.fire, self.head = nn.Linear(6, 8), LIF(), nn.Linear(8, 3)

        def forward(self, x):
            state, out = None, 0.0
            for step in x:
                spikes, state = self.fire(self.first(step[None]), state)
                out = out + self.head(spikes[0])
            return out

    loop, x = filled(Loop()), spikes_like(7, 4, 6)
    chain = Sequential(first=nn.Linear(6, 8), fire=LIF(), head=nn.Linear(8, 3))
    chain.load_state_dict(loop.state_dict())
    found, expected = count(loop, x), count(chain, x)
    for a, b in zip(found.synapses, expected.synapses, strict=True):
        assert (a.applications, a.synops, a.dense) == (b.applications, b.synops, b.dense)
    assert found.neurons[0].updates == expected.neurons[0].updates == 7 * 4 * 8
    assert found.neurons[0].membrane_updates == expected.neurons[0].membrane_updates


def test_an_ann_is_counted_by_the_same_code() -> None:
    ann = filled(
        nn.Sequential(
            nn.Conv2d(2, 4, 3, padding="same", groups=2),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Conv2d(4, 3, (1, 2), padding="valid", bias=False),
            nn.Flatten(),
            nn.Linear(18, 5),
        )
    )
    images = numbers_like(5, 2, 6, 6)
    found = count_ann(ann, images)
    assert [s.dense for s in found.synapses] == [5 * 144 * 9, 5 * 3 * 3 * 2 * 8, 5 * 90]
    assert (found.ann, found.steps, found.examples) == (True, 1, 5)
    (relu,) = found.neurons
    assert (relu.kind, relu.updates, relu.outputs) == ("ReLU", 0, 5 * 144)
    assert ann.training


def test_layers_of_ours_are_counted_like_plain_ones() -> None:
    ours, plain = Conv2d(2, 4, 3, padding=1, stride=2), nn.Conv2d(2, 4, 3, 2, 1, bias=False)
    filled(ours), filled(plain)
    x = spikes_like(4, 3, 2, 6, 6)
    (one,), (two,) = count(ours, x).synapses, count(Fold(plain, feature_dims=3), x).synapses
    assert one == replace(two, name="")


def test_a_quantised_relu_is_an_activation() -> None:
    ann = nn.Sequential(filled(nn.Linear(6, 5)), QcfsReLU(4, 2.0))
    images = numbers_like(4, 6)
    (found,) = count_ann(ann, images).neurons
    alive = int((ann(images) != 0).sum())
    assert 0 < alive < 20
    assert (found.kind, found.updates, found.outputs, found.nonzero) == ("QcfsReLU", 0, 20, alive)


def test_a_sum_of_spikes_is_analog() -> None:
    class Pre(nn.Module):
        """The head reads a sum."""

        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(6, 8, bias=False), nn.Linear(8, 8, bias=False)
            self.head = nn.Linear(8, 3, bias=False)

        def forward(self, x):
            x = torch.relu(self.a(x))
            return self.head(x + torch.relu(self.b(x)))

    images = numbers_like(5, 6).abs()
    made = convert(filled(Pre()).eval(), images, encoder=Direct(4))
    _, second, head = count(made.network, direct(images, 4)).synapses
    assert (second.spiking, head.spiking) == (True, False)
    assert Strict().synapse(head, ann=False, signs=False).macs == 4 * 5 * 24
