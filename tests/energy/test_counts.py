"""Sums add, a committee multiplies, and the ANN of the same shape runs once."""

from dataclasses import replace

import pytest
import torch

from bayesnn_spike.energy import count, count_ann
from bayesnn_spike.io import atomic_write_text
from tests.energy.brute import numbers_like, small_snn, spikes_like


def test_a_committee_costs_its_draws() -> None:
    one = count(small_snn(), spikes_like(4, 3, 2, 6, 6))
    ten = one.times(10)
    assert ten.draws == 10
    assert ten.examples == one.examples
    for a, b in zip(one.synapses, ten.synapses, strict=True):
        assert (b.synops, b.dense, b.outputs) == (10 * a.synops, 10 * a.dense, 10 * a.outputs)
        assert (b.rate, b.fan_in, b.levels) == (a.rate, a.fan_in, a.levels)
        assert (b.weights, b.zero_weights) == (10 * a.weights, 10 * a.zero_weights)
    assert ten.neurons[0].updates == 10 * one.neurons[0].updates
    assert ten.neurons[0].rate == one.neurons[0].rate
    with pytest.raises(ValueError, match="counts of 10 draws"):
        ten.times(2)
    with pytest.raises(ValueError, match="at least 1 network, got 0"):
        one.times(0)


def test_the_ann_of_the_same_shape_runs_once() -> None:
    network = small_snn()
    snn = count(network, spikes_like(4, 3, 2, 6, 6)).times(5)
    expected = [  # dense MACs and connections of one image
        (3 * 36 * 18, 3 * 2 * 16 * 16),
        (4 * 4 * 12, 4 * 3 * 9),  # stride 2 over 3x3 with padding: every input is met once
        (80, 80),
    ]
    ann = snn.as_ann()
    assert [(s.dense // 3, s.connections // 3) for s in ann.synapses] == expected
    assert (ann.ann, ann.steps, ann.draws, ann.neurons) == (True, 1, 1, ())
    assert not any(s.spiking or s.binary for s in ann.synapses)


def test_counts_of_different_things_do_not_add() -> None:
    found = count(small_snn(), spikes_like(4, 3, 2, 6, 6))
    with pytest.raises(ValueError, match="other steps cannot be added: 4 and 5"):
        found + replace(found, steps=5)
    with pytest.raises(ValueError, match="other networks cannot be added"):
        found + replace(found, neurons=())


def test_draws_can_be_counted_one_after_the_other() -> None:
    network, x = small_snn(), spikes_like(4, 3, 2, 6, 6)
    names = dict(network.named_parameters())
    weights = {n: numbers_like(3, *p.shape, seed=i) for i, (n, p) in enumerate(names.items())}
    one, *others = (
        count(network, x, weights={n: w[k : k + 1] for n, w in weights.items()}) for k in range(3)
    )
    for other in others:
        one = one.beside(other)
    together = count(network, x, weights=weights)
    assert (one.draws, one.examples) == (3, 3)
    assert one == together
    with pytest.raises(ValueError, match="other examples cannot be added: 3 and 6"):
        one.beside(together + together)


def test_spikes_of_two_sizes_are_analog() -> None:
    small = count(small_snn(), spikes_like(4, 1, 2, 6, 6))
    large = count(small_snn(), 2 * spikes_like(4, 1, 2, 6, 6))
    silent = count(small_snn(), torch.zeros(4, 1, 2, 6, 6))
    assert (small + silent).synapses[0].levels == (1.0,)
    assert (silent + small).synapses[0].levels == (1.0,)
    assert (small + large).synapses[0].levels is None
    assert (small + large).synapses[1].area == 4
    assert not (small + replace(small, synapses=large.synapses)).synapses[0].spiking


def test_the_table_says_what_was_counted() -> None:
    text = str(count(small_snn(), numbers_like(1, 2, 2, 6, 6).expand(4, 2, 2, 6, 6)))
    lines = text.splitlines()
    assert lines[0] == "operations of an example (mean of 2), T = 4, K = 1"
    assert lines[1].split() == (
        ["layer", "input", "rate", "dense", "MAC", "SynOps", "effective", "neuron", "updates"]
    )
    assert lines[3].split()[:6] == ["conv", "analog,", "constant", "-", "7,776", "-"]
    assert "spikes, mean of 4" in lines[4]
    assert "dense" in str(count_ann(torch.nn.Linear(2, 2), torch.ones(1, 2))).splitlines()[3]


def test_counts_are_numbers_for_json(tmp_path) -> None:
    import json

    found = count(small_snn(), spikes_like(4, 3, 2, 6, 6))
    atomic_write_text(tmp_path / "counts.json", json.dumps(found.as_dict()))
    tree = json.loads((tmp_path / "counts.json").read_text())
    assert tree["examples"] == 3
    assert tree["synapses"][1]["area"] == 4
    assert tree["synapses"][1]["ops"] == found.synapses[1].ops
