"""convert/forward: a plan as an ordinary network."""

import torch

from bayesnn_spike.convert import with_qcfs
from bayesnn_spike.convert.forward import activations, per_channel
from bayesnn_spike.convert.plan import Rectify
from bayesnn_spike.convert.trace import trace
from tests.convert.nets import chain, images


def test_all_results_are_those_of_the_modules() -> None:
    net, x = chain(), images(3, 1, 8, 8)
    found = activations(trace(net, x), x)
    value = x
    for name, module in net.named_children():
        value = module(value)
        torch.testing.assert_close(found[name], value)


def test_quantised_activations() -> None:
    x = images(6, 1, 8, 8)
    net = with_qcfs(chain(), 4, x)
    plan = trace(net, x)
    torch.testing.assert_close(activations(plan, x)["fc2"], net(x))


def test_a_change_is_seen_by_what_follows() -> None:
    net, x = chain(), images(2, 1, 8, 8)
    plan = trace(net, x)

    def silence(step, value):
        return value * 0 if isinstance(step.operation, Rectify) else value

    assert activations(plan, x, change=silence)["fc2"].abs().sum() == 0


def test_channels_broadcast_over_maps() -> None:
    assert per_channel(torch.ones(4), 3).shape == (4, 1, 1)
    assert per_channel(torch.ones(4), 1).shape == (4,)
    assert per_channel(torch.ones(()), 3).shape == ()
