"""Break-even, by arithmetic and by making spikes until it is reached."""

import json

import pytest
import torch
from torch import nn

from bayesnn_spike.convert import convert, sum_pools
from bayesnn_spike.encoding import Direct, direct
from bayesnn_spike.energy import (
    FP32,
    INT8,
    SRAM_8KB,
    NeuroBench,
    Paper,
    Strict,
    compare,
    count,
    count_ann,
)
from bayesnn_spike.models import local_mlp
from bayesnn_spike.neurons import IF
from bayesnn_spike.nn import Fold, Linear, Sequential
from bayesnn_spike.rng import Stream
from tests.energy.brute import filled, near, numbers_like, small_snn, spikes_like


def test_the_papers_break_even_is_5_11_spikes() -> None:
    snn = count(small_snn(), spikes_like(100, 1, 2, 6, 6))
    for layer in compare(snn, accounting=Paper()).layers:
        assert layer.break_even == near(4.6 / 0.9)
        assert layer.break_even_rate == pytest.approx(0.0511, abs=5e-5)


@pytest.mark.parametrize(
    "accounting", [Paper(), Strict(), Strict(traffic=SRAM_8KB)], ids=["paper", "strict", "memory"]
)
def test_at_break_even_both_cost_the_same(accounting) -> None:
    """Neurons that never fire, so that only the inputs' spikes change."""
    network = filled(Sequential(first=Linear(32, 4, bias=True), fire=IF(v_threshold=1e9)))
    steps = 10
    one = torch.zeros(steps, 1, 32)
    one[0] = 1.0
    limit = compare(count(network, one), accounting=accounting).layers[0].break_even
    at = int(limit)
    assert 0 < at < steps - 1
    ratios = []
    for spikes in (at, at + 1):
        x = torch.zeros(steps, 1, 32)
        x[:spikes] = 1.0
        found = compare(count(network, x), accounting=accounting)
        assert found.layers[0].break_even == near(limit)
        assert found.layers[0].spikes == spikes
        ratios.append(found.ratio)
    assert ratios[0] <= 1.0 < ratios[1]
    # Energies are straight lines: the ratio is 1 exactly at the limit.
    assert ratios[0] + (ratios[1] - ratios[0]) * (limit - at) == near(1.0)


def test_a_committee_can_afford_less() -> None:
    snn = count(small_snn(), spikes_like(50, 1, 2, 6, 6))
    for one, ten in zip(
        compare(snn, accounting=Paper()).layers,
        compare(snn.times(10), accounting=Paper()).layers,
        strict=True,
    ):
        assert ten.break_even == near(one.break_even / 10)
        assert ten.spikes == near(one.spikes)
        assert ten.snn.joules == near(10 * one.snn.joules)


def test_pooling_makes_spikes_dearer_in_strict() -> None:
    snn = count(small_snn(), spikes_like(4, 1, 2, 6, 6))
    strict, bench = (compare(snn, accounting=a).layers[1] for a in (Strict(), NeuroBench()))
    assert strict.break_even < 4.6 / 0.9 / 4  # four spikes a cell, and neurons
    assert bench.break_even == near(4.6 / 0.9)


def test_analog_inputs_and_traces_have_no_break_even() -> None:
    direct = count(small_snn(), numbers_like(1, 2, 2, 6, 6).expand(4, 2, 2, 6, 6))
    first, second, _ = compare(direct).layers
    assert (first.spikes, first.break_even, first.rate) == (None, None, None)
    assert second.spikes is not None
    traces = count(filled(local_mlp(6, (8,), 3, stream=Stream(0))), spikes_like(4, 2, 6))
    rows = compare(traces).layers
    assert rows[0].name == "(input)"
    assert rows[0].ann is None


def test_an_ann_of_ones_own_is_matched_by_name() -> None:
    class Own(nn.Module):
        """Named blocks, in another order than they run."""

        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(5, 3)
            self.body = nn.Sequential(nn.Linear(6, 5), nn.ReLU())

        def forward(self, x):
            return self.head(self.body(x))

    snn = Sequential(body_0=Linear(6, 5, bias=True), body_1=IF(), head=Linear(5, 3, bias=True))
    found = compare(
        count(filled(snn), spikes_like(4, 2, 6)), count_ann(filled(Own()), numbers_like(2, 6))
    )
    assert [(layer.name, layer.ann.name) for layer in found.layers] == [
        *(("body_0", "body.0"), ("head", "head")),
    ]
    assert [layer.ann.macs for layer in found.layers] == [30.0, 15.0]


def test_a_converted_network_stands_beside_the_one_it_came_from() -> None:
    ann = nn.Sequential()
    ann.features = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(4, 4, 3), nn.ReLU()
    )
    ann.flat, ann.head = nn.Flatten(), nn.Linear(16, 3)
    images = numbers_like(6, 1, 8, 8).abs()
    filled(ann).eval()
    converted = convert(ann, images, encoder=Direct(8)).network
    found = compare(count(converted, direct(images, 8)), count_ann(ann, images))
    assert [(layer.name, layer.ann.name) for layer in found.layers] == [
        *(("features_0", "features.0"), ("features_3", "features.3"), ("head", "head")),
    ]
    first, second, head = found.layers
    assert first.break_even is None
    assert second.snn.mac_j == head.snn.mac_j == 0.0
    # Every connection of the first layer at all eight steps, or once.
    assert first.snn.macs == 8 * first.ann.macs
    held = compare(
        count(converted, direct(images, 8)),
        count_ann(ann, images),
        accounting=Strict(hold_analog=True),
    )
    assert held.layers[0].snn.macs == first.ann.macs


def test_else_by_order_and_size() -> None:
    ann = count_ann(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)), torch.ones(1, 6))
    snn = count(
        filled(Sequential(one=Linear(6, 5), fire=IF(), two=Fold(nn.Linear(5, 3), feature_dims=1))),
        spikes_like(4, 2, 6),
    )
    assert [layer.ann.name for layer in compare(snn, ann).layers] == ["0", "2"]
    other = count_ann(nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3)), torch.ones(1, 6))
    with pytest.raises(ValueError, match=r"\['one', 'two.module'\] and the ANN's \['0', '2'\]"):
        compare(snn, other)


def test_the_two_are_not_confused() -> None:
    snn = count(small_snn(), spikes_like(4, 1, 2, 6, 6))
    for wrong in ((snn.as_ann(), snn), (snn, snn), (snn.as_ann(), None)):
        with pytest.raises(ValueError, match="count\\(\\) first, then of count_ann\\(\\)"):
            compare(*wrong)


def test_networks_are_no_counts() -> None:
    network = small_snn()
    snn = count(network, spikes_like(4, 1, 2, 6, 6))
    with pytest.raises(TypeError, match=r"snn must be Counts\(\.\.\.\), got Sequential"):
        compare(network)
    with pytest.raises(TypeError, match=r"ann must be Counts\(\.\.\.\), got Sequential"):
        compare(snn, network)


def test_pools_that_add_change_no_number_of_a_converted_network() -> None:
    ann = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, bias=False), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten()),
        nn.Linear(36, 3, bias=False),
    )
    images = numbers_like(6, 1, 8, 8).abs()
    network = convert(filled(ann).eval(), images, encoder=Direct(8)).network
    for accounting in (Paper(), Strict(traffic=SRAM_8KB), NeuroBench()):
        mean, total = (
            compare(count(net, direct(images, 8)), accounting=accounting).layers
            for net in (network, sum_pools(network))
        )
        for a, b in zip(mean, total, strict=True):
            assert b.snn.joules == near(a.snn.joules)
        assert (total[1].spikes, total[1].break_even) == near((mean[1].spikes, mean[1].break_even))


def test_each_may_have_its_own_prices() -> None:
    snn = count(small_snn(), spikes_like(4, 1, 2, 6, 6))
    same, mixed = compare(snn), compare(snn, table=INT8, ann_table=FP32)
    assert mixed.ann.joules == near(same.ann.joules)
    assert mixed.snn.joules < same.snn.joules


def test_the_table_and_the_json() -> None:
    found = compare(count(small_snn(), spikes_like(4, 1, 2, 6, 6)))
    lines = str(found).splitlines()
    assert "strict accounting" in lines[0]
    assert lines[-1].split()[0] == "all"
    assert lines[-1].split()[-1] == f"{found.ratio:.3g}"
    tree = json.loads(json.dumps(found.as_dict()))
    assert tree["ratio"] == near(found.ratio)
    assert tree["layers"][0]["break_even"] == near(found.layers[0].break_even)
    assert "ann" not in tree["layers"][0]
