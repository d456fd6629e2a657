"""The cases are those of the table: sizes, counts of weights and multiply-adds, and inputs."""

import pytest
import torch
from torch.func import functional_call

from bayesnn_spike.bench.cases import FULL, QUICK, Case
from bayesnn_spike.bench.layers import Conv, Dense
from bayesnn_spike.rng import Stream


def test_the_full_cases_are_the_published_ones() -> None:
    mlp, conv, wide = FULL["nmnist-mlp"], FULL["gesture-conv"], FULL["wide"]
    assert (mlp.steps, mlp.batch, mlp.density, mlp.draws) == (25, 64, 0.03, (16, 64))
    assert (conv.steps, conv.batch, conv.draws) == (50, 16, (16,))
    assert (wide.steps, wide.batch, wide.draws) == (16, 32, (32,))
    assert mlp.weights == 2312 * 512 + 512 * 512 + 512 * 10
    assert conv.weights == 9 * (2 * 64 + 64 * 128 + 128 * 128) + 128 * 16 * 11
    assert wide.weights == 4096 * 4096 + 4096 * 10


def test_multiply_adds_are_those_of_the_dense_arithmetic() -> None:
    mlp, conv = FULL["nmnist-mlp"], FULL["gesture-conv"]
    assert mlp.macs(16) == 16 * 25 * 64 * mlp.weights
    maps = 9 * (2 * 64 * 32**2 + 64 * 128 * 16**2 + 128 * 128 * 8**2) + 128 * 16 * 11
    assert conv.macs() == 50 * 16 * maps
    assert mlp.macs(2, mlp.synapses[1]) == 2 * 25 * 64 * 512 * 512


@pytest.mark.parametrize("case", QUICK.values(), ids=QUICK)
def test_the_network_has_the_described_layers(case: Case) -> None:
    network, stream = case.network(), Stream(1)
    logits, spikes = case.logits(stream), case.spikes(stream)
    assert {name: p.shape for name, p in network.named_parameters()} == {
        name: values.shape for name, values in logits.items()
    }
    weights = {name: values.sign() for name, values in logits.items()}
    readout, _ = functional_call(network, weights, (spikes, None))
    assert readout.shape == (case.steps, case.batch, case.classes)


@pytest.mark.parametrize("case", QUICK.values(), ids=QUICK)
def test_sizes_follow_the_spikes(case: Case) -> None:
    seen = {}
    network = case.network()
    for name, module in network.named_children():
        module.register_forward_pre_hook(
            lambda _module, inputs, name=name: seen.__setitem__(name, tuple(inputs[0].shape[2:]))
        )
    weights = {name: v.sign() for name, v in case.logits(Stream(1)).items()}
    functional_call(network, weights, (case.spikes(Stream(1)), None))
    assert case.sizes() == seen


@pytest.mark.parametrize("case", FULL.values(), ids=FULL)
def test_neurons_fire_but_not_all_the_time(case: Case) -> None:
    """What the synapses of hidden layers cost depends on it."""
    case = Case(**{**vars(case), "batch": 1, "steps": 16})
    rates = {}
    network = case.network()
    for name, module in network.named_children():
        if name.startswith("neurons"):
            module.register_forward_hook(
                lambda _m, _i, out, name=name: rates.__setitem__(name, float(out[0].mean()))
            )
    weights = {name: v.sign() for name, v in case.logits(Stream(1)).items()}
    functional_call(network, weights, (case.spikes(Stream(2)), None))
    assert all(0.01 < rate < 0.35 for rate in rates.values()), rates


def test_spikes_have_the_density_and_are_drawn_anew_for_another_stream() -> None:
    case = FULL["nmnist-mlp"]
    spikes = case.spikes(Stream(3))
    assert spikes.shape == (25, 64, 2312)
    assert set(spikes.unique().tolist()) == {0.0, 1.0}
    # 3.7 million inputs: five standard errors.
    assert abs(float(spikes.mean()) - 0.03) < 5 * (0.03 * 0.97 / spikes.numel()) ** 0.5
    assert torch.equal(spikes, case.spikes(Stream(3)))
    assert not torch.equal(spikes, case.spikes(Stream(4)))


def test_quick_cases_have_the_kinds_of_layers_of_the_full_ones() -> None:
    for name, case in FULL.items():
        kinds = [type(layer) for layer in case.layers]
        assert [type(layer) for layer in QUICK[name].layers] == kinds
        assert isinstance(case.layers[-1], Dense)
        assert any(isinstance(layer, Conv) for layer in case.layers) == (name == "gesture-conv")


def test_a_batch_has_labels_of_the_classes() -> None:
    case = QUICK["nmnist-mlp"]
    spikes, labels = case.batch_of(Stream(1))
    assert labels.shape == (case.batch,)
    assert int(labels.min()) >= 0
    assert int(labels.max()) < case.classes
    assert torch.equal(spikes, case.spikes(Stream(1)))
