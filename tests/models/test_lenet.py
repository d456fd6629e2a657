"""models/lenet: the convolutional network of BiSNN."""

import pytest
import torch
from torch.func import functional_call

from bayesnn_spike.models import lenet
from bayesnn_spike.rng import Stream
from tests.ops import cases


def small(**options):
    return lenet((2, 8, 6), 3, stream=Stream(0), channels=(4, 5, 6), kernel=3, **options)


@pytest.mark.parametrize("draws", [(), (2,)])
def test_shapes_of_every_block(draws: tuple[int, ...]) -> None:
    network = small()
    weights = {n: cases.signs(*draws, *p.shape) for n, p in network.named_parameters()}
    readouts, state = functional_call(network, weights, (cases.spikes(3, 2, 2, 8, 6),))
    assert [tuple(r.shape) for r in readouts] == [(*draws, 3, 2, 3)] * 3
    # Membranes keep the size of the map; pooling (2, 1, 2) halves what goes on.
    shapes = [tuple(block[-1].refractory.shape) for block in state]
    assert shapes == [(*draws, 2, 4, 8, 6), (*draws, 2, 5, 4, 3), (*draws, 2, 6, 4, 3)]
    assert [tuple(b.shape) for b in network.buffers()] == [(3, 48), (3, 60), (3, 12)]


def test_the_published_network() -> None:
    network = lenet(stream=Stream(0))
    shapes = [tuple(p.shape) for p in network.parameters()]
    assert shapes == [
        *((64, 2, 7, 7), (64,)),
        *((128, 64, 7, 7), (128,)),
        *((128, 128, 7, 7), (128,)),
    ]
    assert [tuple(b.shape) for b in network.buffers()] == [
        (10, 64 * 13 * 13),
        (10, 128 * 13 * 13),
        (10, 128 * 6 * 6),
    ]


def test_one_channel_and_no_bias() -> None:
    network = lenet((1, 4, 4), 2, stream=Stream(0), channels=(1,), pools=(1,), kernel=3, bias=False)
    assert list(network.state_dict()) == ["readout0", "blocks.0.synapse.weight"]
    (readout,), _ = network(cases.spikes(3, 2, 1, 4, 4))
    assert readout.shape == (3, 2, 2)


def test_two_halves_with_carried_state_equal_one_run() -> None:
    network, x = small(), cases.spikes(6, 2, 2, 8, 6)
    whole, _ = network(x)
    one, state = network(x[:2])
    two, _ = network(x[2:], state)
    for first, second, both in zip(one, two, whole, strict=True):
        torch.testing.assert_close(torch.cat([first, second]), both)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"kernel must be odd .*, got 4"):
        lenet(stream=Stream(0), kernel=4)
    with pytest.raises(ValueError, match="3 channels but 2 pools"):
        lenet(stream=Stream(0), pools=(2, 2))
