"""convert/fold: the folded plan computes what the network with batch norm computes."""

import torch
from torch import nn

from bayesnn_spike.convert.fold import fold_norms
from bayesnn_spike.convert.forward import activations
from bayesnn_spike.convert.plan import Norm
from bayesnn_spike.convert.trace import trace
from tests.convert.nets import images, residual, seeded


def test_a_residual_network_without_its_norms() -> None:
    net, x = residual(), images(5, 1, 8, 8)
    plan = fold_norms(trace(net, x))
    assert not any(isinstance(step.operation, Norm) for step in plan.steps)
    assert plan["blocks_0_add"].inputs == ("blocks_0_two", "pool")
    torch.testing.assert_close(activations(plan, x)[plan.output], net(x), rtol=1e-4, atol=1e-5)


def test_numbers_by_hand() -> None:
    net = seeded(
        nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1, eps=0), nn.ReLU(), nn.Linear(1, 1))
    )
    with torch.no_grad():
        net[0].weight.fill_(3), net[0].bias.fill_(1)
        net[1].running_mean.fill_(2), net[1].running_var.fill_(4)
        net[1].weight.fill_(5), net[1].bias.fill_(7)
    folded = fold_norms(trace(net, images(2, 1)))["0"].operation
    # 5 (3 x + 1 - 2) / 2 + 7 = 7.5 x + 4.5
    assert float(folded.weight) == 7.5
    assert float(folded.bias) == 4.5


def test_a_norm_at_the_end_is_folded_into_the_readout() -> None:
    net = seeded(nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2), nn.BatchNorm1d(2)))
    x = images(4, 3)
    plan = fold_norms(trace(net, x))
    assert plan.output == "2"
    torch.testing.assert_close(activations(plan, x)["2"], net(x))
