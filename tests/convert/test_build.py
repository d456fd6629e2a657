"""convert/build: layers of ours with the user's names and weights, neurons as the options say."""

import pytest
import torch
from torch import nn

from bayesnn_spike.convert import NeuronOptions
from bayesnn_spike.convert.build import build
from bayesnn_spike.convert.trace import trace
from bayesnn_spike.neurons import Above, AtOrAbove, Delayed, Immediate, SpikeTime
from bayesnn_spike.nn import Conv2d, Dropout, Linear
from tests.convert.nets import chain, images, mlp
from tests.neurons.refusals import OF_ANOTHER_KIND

V = {"relu1": torch.tensor(2.0), "relu2": torch.tensor(3.0), "relu3": torch.tensor(0.5)}


def test_weights_are_visibly_the_users() -> None:
    ann = chain()
    net = build(trace(ann, images(2, 1, 8, 8)), V, NeuronOptions())
    assert [name for name, _ in net.named_children()] == [n for n, _ in ann.named_children()]
    for name, weight in ann.named_parameters():
        assert torch.equal(net.get_parameter(name), weight)
        assert net.get_parameter(name).data_ptr() != weight.data_ptr()
    assert isinstance(net.conv2, Conv2d)
    assert isinstance(net.fc1, Linear)
    assert net.conv2.scale == net.fc1.scale == 1.0
    assert isinstance(net.drop2, Dropout)
    assert (net.drop2.rate, net.drop2.feature_dims) == (0.2, 3)
    assert {"relu1.v_threshold", "relu1.leak"} <= set(net.state_dict())
    assert (float(net.relu1.v_threshold), float(net.relu1.leak)) == (2.0, 1.0)
    assert not net.training


@pytest.mark.parametrize("fan_in", [3, 7, 96, 784, 4608])
def test_the_scale_is_one_whatever_the_fan_in(fan_in: int) -> None:
    net = nn.Sequential(nn.Linear(fan_in, 2), nn.ReLU(), nn.Linear(2, 2))
    found = build(trace(net, images(2, fan_in)), {"1": torch.ones(())}, NeuronOptions())
    assert found.get_submodule("0").scale == 1.0


def test_biases_are_divided_by_the_scale_of_their_input() -> None:
    ann = mlp(bias=True)
    values = {name: torch.tensor(v) for name, v in (("1", 2.0), ("3", 3.0), ("5", 4.0))}
    net = build(trace(ann, images(2, 50)), values, NeuronOptions())
    for name, scale in (("0", 1.0), ("2", 2.0), ("4", 6.0), ("6", 24.0)):
        torch.testing.assert_close(net.get_submodule(name).bias * scale, ann[int(name)].bias)


def test_channel_scales_go_into_the_columns_behind_them() -> None:
    ann = mlp()
    channels = torch.linspace(0.5, 1.5, 64)
    values = {"1": channels, "3": torch.tensor(1.0), "5": torch.tensor(1.0)}
    net = build(trace(ann, images(2, 50)), values, NeuronOptions())
    assert net.get_submodule("1").v_threshold.shape == (64,)
    torch.testing.assert_close(net.get_submodule("2").weight, ann[2].weight * channels)


def test_options_reach_every_neuron() -> None:
    plan = trace(chain(), images(2, 1, 8, 8))
    options = NeuronOptions(
        order=Delayed(),
        v_init=0.5,
        leak=0.99,
        surrogate=SpikeTime(),
        learn_threshold=True,
        learn_leak=True,
    )
    net = build(plan, V, options)
    for name in V:
        neuron = net.get_submodule(name)
        assert (neuron.order, neuron.surrogate, neuron.v_init) == (Delayed(), SpikeTime(), 0.5)
        assert neuron.comparison == Above()
        assert isinstance(neuron.v_threshold, nn.Parameter)
        assert isinstance(neuron.leak, nn.Parameter)
    plain = build(plan, V, NeuronOptions())
    assert plain.relu1.comparison == AtOrAbove()
    assert plain.relu1.order == Immediate()
    assert build(plan, V, NeuronOptions(comparison=Above())).relu1.comparison == Above()


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="v_init"):
        NeuronOptions(v_init=1.5)
    with pytest.raises(ValueError, match="leak"):
        NeuronOptions(leak=-0.1)
    with pytest.raises(ValueError, match="leak"):
        NeuronOptions(leak=0.0)


@OF_ANOTHER_KIND
def test_options_of_another_kind_are_refused(options: dict, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        NeuronOptions(**options)
    with pytest.raises(ValueError, match=r"shift_steps must be a whole number, got 2\.5"):
        NeuronOptions(shift_steps=2.5)
