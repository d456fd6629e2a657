"""convert/folded: the same spikes from folded weights."""

import pytest
import torch
from torch import Tensor, nn

from bayesnn_spike.convert import NeuronOptions, convert, fold_thresholds, sum_pools
from bayesnn_spike.convert.build import build
from bayesnn_spike.convert.trace import trace
from bayesnn_spike.encoding import Direct, direct
from bayesnn_spike.neurons import ThresholdNeuron
from bayesnn_spike.nn import Graph
from tests.convert.nets import Function, chain, images, residual, seeded


def spikes(network: Graph, x: Tensor) -> list[Tensor]:
    """All layers' spike trains."""
    found: list[Tensor] = []
    hooks = [
        m.register_forward_hook(lambda module, inputs, output: found.append(output[0]))
        for m in network.modules()
        if isinstance(m, ThresholdNeuron)
    ]
    with torch.no_grad():
        readout, _ = network(x)
    for hook in hooks:
        hook.remove()
    return [*found, readout]


@pytest.mark.parametrize("net", [chain, residual])
@pytest.mark.parametrize("learn", [False, True])
def test_thresholds_of_one_give_the_same_spikes(net, learn: bool) -> None:
    x = images(12, 1, 8, 8)
    made = convert(
        net(), x, encoder=Direct(16), neuron=NeuronOptions(v_init=0.5, learn_threshold=learn)
    ).network
    before = {name: value.clone() for name, value in made.state_dict().items()}
    folded = fold_thresholds(made)
    for found, expected in zip(
        spikes(folded, direct(x, 16)), spikes(made, direct(x, 16)), strict=True
    ):
        torch.testing.assert_close(found, expected)
    thresholds = [v for n, v in folded.state_dict().items() if n.endswith("v_threshold")]
    assert all(bool((v == 1).all()) for v in thresholds)
    assert all(torch.equal(value, before[n]) for n, value in made.state_dict().items())


def test_a_threshold_a_channel_goes_into_its_rows() -> None:
    x = images(6, 1, 8, 8)
    values = {
        "relu1": torch.tensor([0.5, 1.0, 1.5, 2.0]),
        "relu2": torch.tensor(1.3),
        "relu3": torch.linspace(0.5, 1.5, 12),
    }
    made = build(trace(chain(), x), values, NeuronOptions())
    folded = fold_thresholds(made)
    torch.testing.assert_close(folded.conv1.weight[3], made.conv1.weight[3] / 2)
    for found, expected in zip(
        spikes(folded, direct(x, 9)), spikes(made, direct(x, 9)), strict=True
    ):
        torch.testing.assert_close(found, expected)


def test_what_cannot_be_divided_is_named() -> None:
    net = Function(
        lambda self, x: self.b(self.a(x).relu().relu()), a=nn.Linear(2, 2), b=nn.Linear(2, 2)
    )
    made = build(
        trace(seeded(net), images(2, 2)),
        {"relu": torch.ones(()), "relu_1": torch.ones(())},
        NeuronOptions(),
    )
    with pytest.raises(ValueError, match="current into 'relu_1' comes from ThresholdNeuron"):
        fold_thresholds(made)

    def shared(self, x):
        y = self.a(x)
        return self.b(y.relu() + (y + x).relu())

    net = Function(shared, a=nn.Linear(2, 2), b=nn.Linear(2, 2))
    plan = trace(seeded(net), images(2, 2))
    made = build(plan, {s.name: torch.ones(()) for s in plan.neurons()}, NeuronOptions())
    with pytest.raises(ValueError, match="current of 'a' also goes to"):
        fold_thresholds(made)


def test_sums_in_place_of_means() -> None:
    x = images(12, 1, 8, 8)
    made = convert(chain(), x, encoder=Direct(16)).network
    summed = sum_pools(made)
    torch.testing.assert_close(summed.conv2.weight * 4, made.conv2.weight)
    for found, expected in zip(
        spikes(summed, direct(x, 16)), spikes(made, direct(x, 16)), strict=True
    ):
        torch.testing.assert_close(found, expected)
    counts: list[Tensor] = []
    summed.pool1.register_forward_hook(
        lambda module, inputs, output: counts.append(output.detach())
    )
    summed(direct(x, 16))
    assert set(counts[0].unique().tolist()) <= {0.0, 1.0, 2.0, 3.0, 4.0}
    assert float(counts[0].max()) > 1


def test_pools_of_no_one_size_are_refused() -> None:
    x = images(6, 1, 8, 8)
    with pytest.raises(ValueError, match="is no plain AvgPool2d"):
        sum_pools(convert(residual(), x, encoder=Direct(8)).network)
    net = chain()
    net.pool1 = nn.AvgPool2d(2, ceil_mode=True)
    with pytest.raises(ValueError, match="pool1 is no plain AvgPool2d"):
        sum_pools(convert(net, x, encoder=Direct(8)).network)
