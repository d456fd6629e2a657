"""learn/binary: what may be signs, and which layers keep real numbers."""

import pytest
import torch
from torch import nn

from bayesnn_spike.learn.binary import binary_shapes
from bayesnn_spike.models import mlp
from bayesnn_spike.neurons import ThresholdNeuron
from bayesnn_spike.nn import Fold, Linear, Sequential


def normalised(norm: nn.Module) -> Sequential:
    return Sequential(a=Linear(3, 2), norm=Fold(norm, feature_dims=1))


def codes() -> nn.Module:
    network = nn.Module()
    network.codes = nn.Parameter(torch.zeros(3, dtype=torch.int64), requires_grad=False)
    return network


def test_names_and_shapes_in_the_network_s_order() -> None:
    assert list(binary_shapes(mlp(3, (2,), 4)).items()) == [
        ("input.weight", (2, 3)),
        ("readout.weight", (4, 2)),
    ]


@pytest.mark.parametrize(
    "norm",
    [
        nn.BatchNorm1d(2, affine=False),
        nn.LayerNorm(2, elementwise_affine=False),
        nn.GroupNorm(1, 2, affine=False),
        ThresholdNeuron(1.0, leak=0.9),
    ],
    ids=lambda m: type(m).__name__,
)
def test_layers_without_parameters_are_fine(norm: nn.Module) -> None:
    assert binary_shapes(Sequential(a=Linear(3, 2), norm=norm)) == {"a.weight": (2, 3)}


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (normalised(nn.BatchNorm1d(2)), r"norm.*weight, .*of BatchNorm1d .*affine=False, or do it"),
        (normalised(nn.LayerNorm(2)), r"norm.*of LayerNorm .*with elementwise_affine=False"),
        (normalised(nn.GroupNorm(1, 2)), r"of GroupNorm are real numbers, not binary"),
        (
            mlp(3, (2,), 2, neuron=lambda: ThresholdNeuron(learn_leak=True)),
            r"neuron0.leak: .*of Th",
        ),
        (codes(), r"codes is torch\.int64: binary weights are trained as floating point"),
        (nn.Module(), r"the network has no parameters to sample"),
    ],
)
def test_real_parameters_are_refused(network: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        binary_shapes(network, otherwise="do it by hand")


def test_without_another_way_none_is_named() -> None:
    with pytest.raises(ValueError, match=r"build it with affine=False$"):
        binary_shapes(nn.BatchNorm1d(2))
