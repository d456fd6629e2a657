"""Counts times prices, by hand; and what is said beside the numbers."""

import json

import pytest
import torch

from bayesnn_spike.energy import (
    FP32,
    INT8,
    INT8_ADD,
    INT16_ADD,
    SRAM_8KB,
    Memory,
    Operations,
    Paper,
    Strict,
    cost,
    count,
    traffic,
)
from bayesnn_spike.energy.cost import priced
from bayesnn_spike.models import local_mlp
from bayesnn_spike.neurons import LIF
from bayesnn_spike.nn import Linear, Sequential
from bayesnn_spike.rng import Stream
from tests.energy.brute import filled, near, small_snn, spikes_like


def test_prices_of_operations() -> None:
    operations = Operations(macs=10, acs=100, sign_adds=1000, multiplications=2)
    assert priced(operations, FP32) == near(((46 + 7.4) * 1e-12, (90 + 900) * 1e-12))
    signed = priced(operations, FP32.with_signs(INT16_ADD))
    assert signed[1] == near((90 + 50) * 1e-12)


def test_one_layer_by_hand() -> None:
    network = Sequential(first=filled(Linear(3, 2, bias=True)), fire=LIF(beta=0.9, v_threshold=9e9))
    x = torch.zeros(4, 1, 3)
    x[0, 0, 0] = x[2, 0, 1] = 1.0
    energy = cost(count(network, x), FP32, Strict())
    (layer,) = energy.layers
    assert layer.ac_j == near(2 * 2 * 0.9e-12)  # two spikes reach two units
    # Eight updates: a bias, a comparison and a leak each; no spike resets.
    assert layer.neuron_j == near(8 * (0.9 + 0.9 + 3.7) * 1e-12)
    assert layer.mac_j == layer.memory_j == 0
    assert energy.joules == near(layer.joules)


def test_energy_is_of_one_example_and_linear_in_draws() -> None:
    counts = count(small_snn(), spikes_like(4, 3, 2, 6, 6))
    one = cost(counts)
    assert one.joules == near(cost(counts + counts).joules)
    seven = cost(counts.times(7))
    assert seven.joules == near(7 * one.joules)
    assert seven.joules_per_draw == near(one.joules)
    assert seven.draws == 7


def test_prices_scale_what_they_price() -> None:
    counts = count(small_snn(), spikes_like(4, 3, 2, 6, 6))
    fp32, int8 = (cost(counts, table, Paper()).joules for table in (FP32, INT8))
    assert int8 == near(fp32 * 0.03 / 0.9)


def test_silence_costs_neurons_only() -> None:
    energy = cost(count(small_snn(), torch.zeros(4, 3, 2, 6, 6)))
    assert sum(layer.ac_j + layer.mac_j for layer in energy.layers) == 0
    assert energy.joules == near(4 * (3 * 36 + 4 * 4) * 0.9e-12)
    assert cost(count(small_snn(), torch.zeros(4, 3, 2, 6, 6)), FP32, Paper()).joules == 0


def test_memory_is_off_by_default_and_priced_by_the_byte() -> None:
    counts = count(small_snn(), spikes_like(4, 3, 2, 6, 6))
    without, with_ = cost(counts), cost(counts, FP32, Strict(traffic=SRAM_8KB))
    assert all(layer.memory_j == 0 for layer in without.layers)
    expected = traffic(counts).bytes * 1.25e-12
    assert with_.joules - without.joules == near(expected)
    assert cost(counts, FP32, Strict(traffic=Memory(2.5))).joules == near(
        without.joules + 2 * expected
    )


def test_traces_of_the_input_have_a_row() -> None:
    energy = cost(count(filled(local_mlp(6, (8,), 3, stream=Stream(0))), spikes_like(4, 2, 6)))
    first = energy.layers[0]
    assert first.name == "(input)"
    # Two states of six inputs at four steps: each is multiplied and added to.
    assert first.joules == near(6 * 4 * 2 * (3.7 + 0.9) * 1e-12)


def test_a_narrow_accumulator_is_named() -> None:
    network = Sequential(wide=Linear(200, 3), fire=LIF(), head=Linear(3, 2))
    counts = count(network, spikes_like(4, 2, 200))
    assert cost(counts, FP32.with_signs(INT16_ADD)).notes == ()
    (note,) = cost(counts, FP32.with_signs(INT8_ADD)).notes
    assert note.startswith("A sum of signs may overflow 8 bits in wide:")
    assert str(cost(counts, FP32.with_signs(INT8_ADD))).endswith(note)


def test_the_table_and_the_json_say_how_it_was_counted() -> None:
    energy = cost(count(small_snn(), spikes_like(4, 3, 2, 6, 6)), FP32, Strict(traffic=SRAM_8KB))
    lines = str(energy).splitlines()
    assert lines[0].endswith("an example: strict accounting, fp32, 45 nm, T = 4, K = 1")
    assert lines[1].split() == ["layer", "MAC", "AC", "neurons", "memory", "all", "share"]
    assert [line.split()[0] for line in lines[3:]] == ["conv", "strided", "head"]
    tree = json.loads(json.dumps(energy.as_dict()))
    assert tree["joules"] == near(energy.joules)
    assert tree["accounting"]["name"] == "strict"
    assert tree["accounting"]["traffic"]["pj_per_byte"] == 1.25
    assert tree["table"]["mac_pj"] == 4.6
    assert [layer["name"] for layer in tree["layers"]] == ["conv", "strided", "head"]


def test_what_is_no_value_is_refused() -> None:
    counts = count(small_snn(), spikes_like(4, 3, 2, 6, 6))
    for wrong, message in (
        ((counts, "fp32"), r"table must be CostTable\(\.\.\.\), got 'fp32'"),
        ((counts, FP32, Paper), r"accounting must be Paper\(\) or .* got the class Paper itself"),
        ((counts, FP32, "paper"), r"accounting must be .* got 'paper'"),
        ((cost(counts),), r"counts must be Counts\(\.\.\.\)"),
    ):
        with pytest.raises(TypeError, match=message):
            cost(*wrong)
