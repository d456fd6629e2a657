"""Networks as data: each model is built with its arguments, and wrong ones are refused."""

from typing import Any

import pytest
import torch

from bayesnn_spike.export.network import MODELS, build_network
from bayesnn_spike.export.values import DescriptionError
from bayesnn_spike.neurons import LIF

DESCRIPTIONS = {
    "mlp": {"hidden": [6, 5], "gain_in": 2.0, "neuron": {"kind": "lif", "beta": 0.5}},
    "local_mlp": {"hidden": [6, 5], "tau_mem": 4.0, "readout_seed": 3},
    "lenet": {"channels": [3, 4], "kernel": 3, "pools": [2, 1]},
}


def build(model: str, **more: Any) -> torch.nn.Module:
    options = {**DESCRIPTIONS[model], **more}
    return build_network({"model": model, **options}, shape=(2, 8, 8), classes=3)


@pytest.mark.parametrize("model", list(MODELS))
def test_a_network_runs_on_its_shape(model: str) -> None:
    readout, _ = build(model)(torch.zeros(4, 2, 2, 8, 8))
    last = readout[-1] if isinstance(readout, tuple) else readout
    assert last.shape[-3:] == (4, 2, 3)


def test_every_model_is_tried_above() -> None:
    assert set(DESCRIPTIONS) == set(MODELS)


def test_arguments_reach_the_network() -> None:
    made = build("mlp")
    assert made.input.weight.shape == (6, 128)
    assert made.hidden1.weight.shape == (5, 6)
    assert made.input.scale == pytest.approx(2 / 128**0.5)
    assert isinstance(made.neuron0, LIF)
    assert made.neuron0.beta == made.neuron1.beta == 0.5


def test_equal_descriptions_give_equal_fixed_readouts() -> None:
    first, same, other = (build("local_mlp", readout_seed=seed) for seed in (3, 3, 4))
    for (name, a), b, c in zip(first.named_buffers(), same.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
        assert not torch.equal(a, c), name


def test_the_description_is_not_changed() -> None:
    description = {"model": "lenet", **DESCRIPTIONS["lenet"], "readout_seed": 1}
    before = dict(description)
    build_network(description, shape=(2, 8, 8), classes=3)
    assert description == before


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({}, "unknown model 'None'"),
        ({"model": "mpl"}, r"unknown model 'mpl'; did you mean 'mlp'\?"),
        ({"model": "mlp", "hiden": [3]}, r"unknown argument of model 'mlp': 'hiden'; did you mean"),
        ({"model": "mlp", "n_in": 3}, "unknown argument of model 'mlp': 'n_in'"),
        ({"model": "mlp", "gain_in": -1}, "model 'mlp': gain"),
        ({"model": "mlp", "neuron": "lfi"}, "unknown neuron 'lfi'"),
        ({"model": "lenet", "kernel": 4}, "model 'lenet': kernel must be odd"),
    ],
)
def test_wrong_descriptions_are_refused(description: dict[str, Any], message: str) -> None:
    with pytest.raises(DescriptionError, match=message):
        build_network(description, shape=(2, 8, 8), classes=3)


def test_maps_are_needed_by_a_convolution() -> None:
    with pytest.raises(DescriptionError, match=r"lenet needs maps \[P, H, W\], the data are \[7\]"):
        build_network({"model": "lenet"}, shape=(7,), classes=3)
