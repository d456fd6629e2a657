"""convert/calibrate: what is moved, by hand, and that rates then fit."""

import pytest
import torch
from torch import nn

from bayesnn_spike.convert import (
    MatchBias,
    MatchPotential,
    Maximum,
    NeuronOptions,
    calibrate,
    convert,
)
from bayesnn_spike.encoding import Direct
from tests.convert.nets import Function, images, mlp, residual, seeded

FOUR = Direct(4)


def one_neuron():
    """An activation of 0.3 at V = 1: one spike in four steps."""
    net = nn.Sequential(nn.Linear(1, 1, bias=False), nn.ReLU(), nn.Linear(1, 1, bias=False))
    with torch.no_grad():
        net[0].weight.fill_(1), net[2].weight.fill_(1)
    x = torch.tensor([[0.3]])
    return convert(net, x, thresholds=Maximum(fixed=(("1", 1.0),)), encoder=FOUR), x


def test_a_bias_by_hand() -> None:
    made, x = one_neuron()
    assert made.report.layers[0].rate == 0.25
    found = calibrate(made, x, encoder=FOUR, match=MatchBias())
    assert found.network.get_submodule("0").bias.item() == pytest.approx(0.05)
    assert "0.bias" in dict(found.network.named_parameters())
    assert made.network.get_submodule("0").bias is None


def test_a_first_membrane_by_hand() -> None:
    """T (a - r V) = 4 x 0.05."""
    made, x = one_neuron()
    found = calibrate(made, x, encoder=FOUR, match=MatchPotential())
    neuron = found.network.get_submodule("1")
    assert neuron.v_init.tolist() == pytest.approx([0.2])
    assert float(neuron.v_threshold) == 1
    assert "1.v_init" in found.network.state_dict()


@pytest.mark.parametrize("match", [MatchBias(), MatchPotential()])
@pytest.mark.parametrize("net", [lambda: mlp(bias=True), residual])
def test_rates_come_closer(net, match) -> None:
    ann = net()
    x = images(60, 50) if isinstance(ann, nn.Sequential) else images(60, 1, 8, 8)
    made = convert(ann, x, encoder=Direct(8))
    found = calibrate(made, x, encoder=Direct(8), match=match)
    for before, after in zip(made.report.layers, found.report.layers, strict=True):
        assert after.error < before.error
    logits = ann(x).detach()
    errors = [
        float(
            (c.descale(c.network(Direct(8).encode(x))[0].sum(0), 8) - logits).detach().abs().mean()
        )
        for c in (made, found)
    ]
    assert errors[1] < 0.7 * errors[0]


def test_options_of_neurons_are_kept() -> None:
    x = images(30, 50)
    options = NeuronOptions(v_init=0.5, leak=0.9, learn_threshold=True, learn_leak=True)
    made = convert(mlp(), x, encoder=Direct(8), neuron=options)
    neuron = calibrate(made, x, encoder=Direct(8), match=MatchPotential()).network.get_submodule(
        "1"
    )
    assert isinstance(neuron.v_threshold, nn.Parameter)
    assert isinstance(neuron.leak, nn.Parameter)
    assert neuron.leak.item() == pytest.approx(0.9)
    assert neuron.v_init.shape == (64,)
    assert float((neuron.v_init - 0.5).abs().max()) > 0


def test_neurons_without_weights_before_them_are_named() -> None:
    net = Function(
        lambda self, x: self.b(self.a(x).relu().relu()), a=nn.Linear(3, 3), b=nn.Linear(3, 2)
    )
    x = images(5, 3)
    made = convert(seeded(net), x, encoder=FOUR)
    with pytest.raises(ValueError, match=r"no layer of weights right before it, .* MatchPotential"):
        calibrate(made, x, encoder=FOUR)
    calibrate(made, x, encoder=FOUR, match=MatchPotential())


def test_a_match_of_another_kind_is_refused() -> None:
    made, x = one_neuron()
    for match in (MatchBias, "bias"):
        with pytest.raises(TypeError, match=r"match must be MatchBias\(\) or MatchPotential\(\)"):
            calibrate(made, x, encoder=FOUR, match=match)
