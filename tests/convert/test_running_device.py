"""convert/running: the same seed gives the same spikes, whatever the batches and the device."""

import pytest
import torch
from torch import nn

from bayesnn_spike.convert import NeuronOptions, convert
from bayesnn_spike.convert.running import run, spike_counts
from bayesnn_spike.encoding import Direct, SignedRate
from bayesnn_spike.neurons import Delayed
from bayesnn_spike.nn import Graph
from bayesnn_spike.rng import Stream
from tests.convert.nets import chain, images, mlp

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
CODES = [Direct(24), SignedRate(24, Stream(8))]


def made(net: nn.Module, x: torch.Tensor, code, options: NeuronOptions) -> Graph:
    """Weights and thresholds of multiples of 1/64 and 1/4: no sum is rounded, on no device."""
    with torch.no_grad():
        for weight in net.parameters():
            weight.copy_((weight * 64).round() / 64)
    network = convert(net, x, encoder=code, neuron=options).network
    for name, value in network.named_buffers():
        if name.endswith("v_threshold"):
            value.copy_(((value * 4).round() / 4).clamp(min=0.25))
    return network


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("options", [NeuronOptions(), NeuronOptions(order=Delayed())])
@pytest.mark.parametrize("net", [mlp, chain])
def test_spikes_depend_on_neither_batches_nor_device(net, options, code, device: str) -> None:
    x = images(9, 50) if net is mlp else images(9, 1, 8, 8)
    x = (x * 64).round() / 64
    network = made(net(), x, code, options)
    counts = spike_counts(network, x, code)
    readout = torch.cat(list(run(network, x, code, 24)))
    moved, x = network.to(device), x.to(device)
    for first, last in ((0, 9), (0, 2), (2, 9), (8, 9)):
        part = x[first:last]
        found = spike_counts(moved, part, code, first_example=first)
        for name, expected in counts.items():
            assert float(expected.sum()) > 0
            assert torch.equal(found[name].cpu(), expected[first:last])
        some = torch.cat(list(run(moved, part, code, 24, first_example=first)))
        assert torch.equal(some.cpu(), readout[:, first:last])
