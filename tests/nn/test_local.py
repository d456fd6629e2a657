"""nn/local: fixed random readouts, no gradient between blocks."""

import math

import pytest
import torch
from torch import nn

from bayesnn_spike.models import local_mlp
from bayesnn_spike.nn import Linear, LocalReadouts
from bayesnn_spike.rng import Stream
from tests.ops import cases


class Block(nn.Module):
    """A block without threshold, so that gradients are plain; its state counts the calls."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x, state=None):
        return self.layer(x), torch.zeros(()) if state is None else state + 1


def two_blocks() -> LocalReadouts:
    blocks = [Block(Linear(5, 4)), Block(Linear(4, 3))]
    return LocalReadouts(blocks, sizes=[4, 3], n_out=2, stream=Stream(1)).double()


@pytest.mark.parametrize("draws", [(), (2,)])
def test_each_block_is_read_by_its_signs(draws: tuple[int, ...]) -> None:
    network, x = two_blocks(), cases.normal(*draws, 6, 7, 5)
    readouts, state = network(x)
    first = network.blocks[0].layer(x)
    second = network.blocks[1].layer(first)
    torch.testing.assert_close(readouts[0], first @ network.readout0.T / 2)
    torch.testing.assert_close(readouts[1], second @ network.readout1.T / math.sqrt(3))
    assert state == (0, 0)
    assert network(x, state)[1] == (1, 1)


def test_a_loss_reaches_its_own_block_alone() -> None:
    network = two_blocks()
    (one, two), _ = network(cases.normal(6, 7, 5))
    first, second = (block.layer.weight for block in network.blocks)
    assert torch.autograd.grad(two.sum(), first, allow_unused=True, retain_graph=True) == (None,)
    assert torch.autograd.grad(one.sum(), second, allow_unused=True, retain_graph=True) == (None,)
    assert bool(torch.autograd.grad(two.sum(), second)[0].any())
    assert bool(torch.autograd.grad(one.sum(), first)[0].any())


def test_readouts_are_fixed_signs_drawn_from_the_stream() -> None:
    network = local_mlp(20, (64, 64), 2, stream=Stream(3))
    buffers = dict(network.named_buffers())
    assert sorted(buffers) == ["readout0", "readout1"]
    assert all(set(b.unique().tolist()) == {-1.0, 1.0} for b in buffers.values())
    assert not torch.equal(*buffers.values())
    again = local_mlp(20, (64, 64), 2, stream=Stream(3))
    assert torch.equal(again.readout0, network.readout0)
    other = local_mlp(20, (64, 64), 2, stream=Stream(4))
    assert not torch.equal(other.readout0, network.readout0)
    assert not any(name.startswith("readout") for name, _ in network.named_parameters())


@pytest.mark.parametrize("shape", [(4, 3, 5), (1, 4, 6), (6, 1, 1), (1, 1, 1)])
@pytest.mark.parametrize("draws", [(), (2,)])
def test_maps_are_flattened_whatever_their_sides(draws, shape: tuple[int, ...]) -> None:
    network = LocalReadouts(
        [Block(nn.Identity())], sizes=[shape], n_out=2, stream=Stream(0)
    ).double()
    x = cases.normal(*draws, 3, 2, *shape)
    (readout,), _ = network(x)
    expected = x.flatten(-3) @ network.readout0.T / math.sqrt(math.prod(shape))
    torch.testing.assert_close(readout, expected)
    assert readout.shape == (*draws, 3, 2, 2)


def test_a_single_unit_is_read() -> None:
    network = LocalReadouts([Block(nn.Identity())], sizes=[1], n_out=3, stream=Stream(0))
    (readout,), _ = network(torch.ones(4, 2, 1))
    assert readout.shape == (4, 2, 3)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="1 blocks but 2 sizes"):
        LocalReadouts([nn.Identity()], sizes=[1, 2], n_out=1, stream=Stream(0))
    network = LocalReadouts([Block(nn.Identity())], sizes=[(2, 3)], n_out=1, stream=Stream(0))
    with pytest.raises(ValueError, match=r"block 0 takes features \(2, 3\), .* \(4, 5, 3, 2\)"):
        network(torch.zeros(4, 5, 3, 2))
    with pytest.raises(ValueError, match="the state has 2 entries for 1 blocks; pass None"):
        network(torch.zeros(4, 5, 2, 3), (None, None))
