"""convert/delay: how long the readout waits, by hand."""

import pytest
import torch
from torch import nn

from bayesnn_spike.convert import Maximum, NeuronOptions, convert, estimate_delay
from bayesnn_spike.encoding import Direct, direct
from bayesnn_spike.neurons import Delayed, Immediate
from tests.convert.nets import Function

X = torch.tensor([[0.25]])


def line(*thresholds: float, order=Immediate(), v_init: float = 0.0):
    """Layers of one neuron and weight 1: activations of 0.25."""
    layers: list[nn.Module] = []
    for _ in thresholds:
        layers += [nn.Linear(1, 1, bias=False), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Linear(1, 1, bias=False))
    for weight in net.parameters():
        weight.data.fill_(1)
    fixed = tuple((str(2 * i + 1), v) for i, v in enumerate(thresholds))
    options = NeuronOptions(order=order, v_init=v_init)
    return convert(net, X, thresholds=Maximum(fixed=fixed), encoder=Direct(64), neuron=options)


@pytest.mark.parametrize(
    ("thresholds", "options", "expected"),
    [
        ((1.0,), {}, 4),  # 1 / 0.25
        ((1.0,), {"v_init": 0.5}, 2),
        ((1.0,), {"order": Delayed()}, 5),
        ((0.5, 1.0), {}, 4),  # 0.5 / 0.25 and (0.5 1.0) / 0.25
        ((0.5, 1.0), {"v_init": 0.5, "order": Delayed()}, 4),
    ],
)
def test_waits_add_up(thresholds: tuple, options: dict, expected: int) -> None:
    made = line(*thresholds, **options)
    assert estimate_delay(made, X) == expected


def test_one_layer_speaks_at_that_step() -> None:
    made = line(1.0)
    readout = made.network(direct(X, 8))[0].flatten()
    assert readout.nonzero()[0].item() + 1 == estimate_delay(made, X)


def test_the_longest_path_counts() -> None:
    """4 steps for relu(x) = 0.25, and 2 more for relu(relu(x) + x) = 0.5, all at V = 1."""
    net = Function(
        lambda self, x: self.head((self.a(x).relu() + x).relu()),
        a=nn.Linear(1, 1, bias=False),
        head=nn.Linear(1, 1, bias=False),
    )
    for weight in net.parameters():
        weight.data.fill_(1)
    thresholds = Maximum(fixed=(("relu*", 1.0),))
    made = convert(net, X, thresholds=thresholds, encoder=Direct(64))
    assert estimate_delay(made, X) == 6


def test_silent_layers_and_wrong_images_are_named() -> None:
    made = line(1.0)
    with pytest.raises(ValueError, match="no activation of 1 is positive"):
        estimate_delay(made, -X)
    with pytest.raises(ValueError, match="shape that was converted"):
        estimate_delay(made, torch.rand(2, 3))
