"""convert/describe: JSON and back."""

import json

import pytest
import torch
from torch import nn

from bayesnn_spike.convert import LocalBalance, NeuronOptions, convert, sum_pools
from bayesnn_spike.convert.describe import assemble, describe, pool, pool_of
from bayesnn_spike.encoding import Direct, direct
from bayesnn_spike.neurons import Above, Delayed
from bayesnn_spike.ops.fire.spike_time import SpikeTime
from tests.convert.nets import chain, images, residual

X = images(6, 1, 8, 8)


@pytest.mark.parametrize("net", [chain, residual])
def test_a_description_is_json_and_builds_the_same_network(net) -> None:
    options = NeuronOptions(
        order=Delayed(), comparison=Above(), surrogate=SpikeTime(alpha=0.2), learn_leak=True
    )
    thresholds = LocalBalance(rounds=4)
    made = convert(net(), X, thresholds=thresholds, encoder=Direct(8), neuron=options).network
    found = describe(made)
    assert json.loads(json.dumps(found)) == found
    again = assemble(found)
    assert describe(again) == found
    assert not again.training
    state = {k: v for k, v in made.state_dict().items() if k != "form"}
    again.load_state_dict(state)
    assert torch.equal(again(direct(X, 8))[0], made(direct(X, 8))[0])


def test_what_a_layer_is_by_hand() -> None:
    made = convert(chain(), X, encoder=Direct(8), neuron=NeuronOptions(v_init=0.5)).network
    nodes = {node["name"]: node for node in describe(made)["nodes"]}
    assert nodes["conv1"] == {
        "name": "conv1",
        "inputs": ["input"],
        "kind": "Conv2d",
        "shape": [4, 1, 3, 3],
        "scale": 1.0,
        "bias": False,
        "stride": 1,
        "padding": 1,
    }
    assert nodes["relu1"]["order"] == {"kind": "Immediate"}
    assert nodes["relu1"]["v_init"] == 0.5
    assert nodes["drop2"]["rate"] == 0.2
    summed = describe(sum_pools(made))["nodes"][2]["module"]
    assert summed["divisor_override"] == 1


@pytest.mark.parametrize(
    "module",
    [
        nn.AvgPool2d((2, 3), stride=1, padding=1, ceil_mode=True, count_include_pad=False),
        nn.AdaptiveAvgPool2d((2, None)),
        nn.AdaptiveAvgPool2d(1),
    ],
)
def test_pools(module: nn.Module) -> None:
    again = pool(json.loads(json.dumps(pool_of(module))))
    assert repr(again) == repr(module)
    x = images(2, 3, 7, 8)
    assert torch.equal(again(x), module(x))


def test_what_no_conversion_makes_is_named() -> None:
    made = convert(chain(), X, encoder=Direct(8)).network
    made.pool1.module = nn.MaxPool2d(2)
    with pytest.raises(ValueError, match="layer 'pool1' of kind 'Fold' cannot be built"):
        assemble(describe(made))
    made.pool1 = nn.MaxPool2d(2)
    with pytest.raises(ValueError, match="MaxPool2d' is none that a conversion makes"):
        assemble(describe(made))
    wrong = {"name": "a", "inputs": ["input"], "kind": "Dropout", "rate": 2.0}
    with pytest.raises(ValueError, match="layer 'a' of kind 'Dropout' cannot be built"):
        assemble({"output": "a", "feature_dims": 1, "nodes": [wrong]})
