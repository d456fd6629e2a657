"""Bytes by the stated model, by hand."""

import json

import pytest
import torch
from torch import nn

from bayesnn_spike.energy import DRAM, SRAM_1MB, SRAM_8KB, Memory, Words, count, count_ann, traffic
from bayesnn_spike.models import local_mlp
from bayesnn_spike.neurons import IF
from bayesnn_spike.nn import Linear, Sequential
from bayesnn_spike.rng import Stream
from tests.energy.brute import filled, near, small_snn, spikes_like


def test_a_spiking_layer_by_hand() -> None:
    network = filled(Sequential(first=Linear(16, 8), fire=IF(), head=Linear(8, 2)))
    x = spikes_like(4, 1, 16)
    first, head = traffic(count(network, x), Words(weight=16, membrane=24)).layers
    assert first.weights == float(x.sum()) * 8 * 2  # every operation reads 16 bits
    assert first.inputs == 4 * 16 / 8  # a bit of an input and step
    assert first.membranes == 4 * 8 * 2 * 3  # read and written
    assert first.outputs == 4 * 8 / 8
    assert head.membranes == 0
    assert head.outputs == 4 * 2 * 4  # sums, as activations


def test_signs_are_one_bit() -> None:
    x = spikes_like(4, 1, 16)
    signs, real = Sequential(first=Linear(16, 8)), filled(Sequential(first=Linear(16, 8)))
    one, many = (traffic(count(network, x)).layers[0].weights for network in (signs, real))
    assert many == 32 * one


def test_an_ann_reads_a_weight_and_an_input_for_every_mac() -> None:
    (layer,) = traffic(count_ann(nn.Linear(6, 5), torch.ones(3, 6))).layers
    assert (layer.weights, layer.inputs, layer.outputs) == (120.0, 120.0, 20.0)
    assert layer.bytes == 260.0


def test_pooled_spikes_are_read_before_pooling() -> None:
    strided = traffic(count(small_snn(), spikes_like(4, 3, 2, 6, 6))).layers[1]
    assert strided.inputs == 4 * 3 * 36 / 8


def test_traces_are_analog_and_two_states() -> None:
    found = traffic(count(filled(local_mlp(6, (8,), 3, stream=Stream(0))), spikes_like(4, 2, 6)))
    first = found.layers[0]
    assert (first.name, first.weights, first.inputs) == ("(input)", 0.0, 0.0)
    assert first.membranes == 4 * 6 * 2 * 2 * 4
    assert first.outputs == 4 * 6 * 4


def test_prices_of_a_byte() -> None:
    assert [m.pj_per_byte for m in (SRAM_8KB, SRAM_1MB, DRAM)] == [1.25, 12.5, 162.5]
    assert all("Horowitz" in m.source for m in (SRAM_8KB, SRAM_1MB, DRAM))
    with pytest.raises(ValueError, match="pj_per_byte must be positive"):
        Memory(0.0)
    with pytest.raises(ValueError, match="membrane must be positive"):
        Words(membrane=0)


def test_the_table_and_the_json() -> None:
    found = traffic(count(small_snn(), spikes_like(4, 3, 2, 6, 6)))
    assert str(found).splitlines()[0].endswith("in all), no reuse")
    tree = json.loads(json.dumps(found.as_dict()))
    assert tree["bytes"] == near(sum(layer.bytes for layer in found.layers))
    assert [layer["name"] for layer in tree["layers"]] == ["conv", "strided", "head"]
