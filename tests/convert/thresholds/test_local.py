"""convert/thresholds/local: the update by hand, and what it buys."""

import pytest
import torch
from torch import nn

from bayesnn_spike.convert import LocalBalance, Maximum, NeuronOptions, convert, curve
from bayesnn_spike.convert.scales import scales
from bayesnn_spike.convert.trace import trace
from bayesnn_spike.encoding import Direct
from tests.convert.nets import chain, images, mlp, seeded

REST = (Direct(4), NeuronOptions())


def test_two_rounds_by_hand() -> None:
    """Activations 1, 3 and -1: 2 (4 / 3), then that and 2 ((3 - 8/3) / 3)."""
    net = nn.Sequential(nn.Linear(1, 1, bias=False), nn.ReLU(), nn.Linear(1, 1))
    with torch.no_grad():
        net[0].weight.fill_(1)
    x = torch.tensor([[1.0], [3.0], [-1.0]])
    plan = trace(net, x)
    assert float(LocalBalance(1).find(plan, x, *REST)["1"]) == pytest.approx(8 / 3)
    assert float(LocalBalance(2).find(plan, x, *REST)["1"]) == pytest.approx(8 / 3 + 2 / 9)
    assert float(LocalBalance(1, scale=0.5).find(plan, x, *REST)["1"]) == pytest.approx(4 / 3)


def test_maps_are_averaged_and_layers_see_clipped_inputs() -> None:
    layers = (nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    net, x = seeded(nn.Sequential(*layers)), images(70, 1, 8, 8)
    plan = trace(net, x)
    one = scales(plan, LocalBalance(1).find(plan, x, *REST))
    torch.testing.assert_close(one["1"], 2 * net[0](x).relu().mean((0, 2, 3)).detach())
    # In the first round everything is clipped at 0: deeper layers have not moved yet.
    with pytest.raises(ValueError, match="no activation of"):
        LocalBalance(1).find(trace(mlp(), images(5, 50)), images(5, 50), *REST)


def test_the_order_of_images_does_not_matter() -> None:
    net, x = mlp(), images(100, 50)
    plan = trace(net, x)
    one, other = (LocalBalance(10).find(plan, y, *REST) for y in (x, x.flip(0)))
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=1e-4, atol=1e-6)


def test_a_silent_channel_has_the_threshold_of_the_others() -> None:
    net, x = chain(), images(20, 1, 8, 8)
    with torch.no_grad():
        net.conv1.weight[2] = -1
    found = LocalBalance(20).find(trace(net, x), x, *REST)["relu1"]
    assert float(found[2]) == pytest.approx(float(found[[0, 1, 3]][found[[0, 1, 3]] > 0].mean()))


def test_few_steps_are_better_than_with_the_maximum() -> None:
    ann, x = seeded(mlp(bias=True), 3), images(200, 50)
    labels, options = ann(x).argmax(1), NeuronOptions(v_init=0.5)
    seen = {}
    for thresholds in (LocalBalance(), Maximum()):
        made = convert(ann, x, thresholds=thresholds, encoder=Direct(16), neuron=options)
        seen[type(thresholds)] = curve(
            made.network, x, labels, encoder=Direct(1), steps=(16, 512)
        ).accuracy
    assert seen[LocalBalance][0] > seen[Maximum][0]
    assert seen[LocalBalance][1] > 0.9


def test_values_are_checked() -> None:
    for rounds in (0, 2.5):
        with pytest.raises(ValueError, match="rounds must be"):
            LocalBalance(rounds)
    with pytest.raises(TypeError, match="scale must be a number, got 'a'"):
        LocalBalance(scale="a")
    with pytest.raises(ValueError, match="scale"):
        LocalBalance(scale=0)
