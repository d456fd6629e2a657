import copy
import math
import pickle

import pytest
import torch
from torch import nn

from bayesnn_spike.models.ann import (
    FanIn,
    Published,
    StreamDropout,
    convolution,
    initialise,
    linear,
    reseed,
)
from bayesnn_spike.rng import Stream


def dropout(rate=0.25):
    return StreamDropout(rate, Stream(3).child("mask")).train()


def test_dropout_zeroes_the_rate_and_keeps_the_mean():
    """10^5 units at p = 1/4: within six standard deviations of a binomial."""
    found = dropout()(torch.ones(100, 1000))
    torch.testing.assert_close(found.unique(), torch.tensor([0.0, 4 / 3]))
    zeros = int((found == 0).sum())
    assert abs(zeros - 25_000) < 6 * math.sqrt(1e5 * 0.25 * 0.75)


def test_every_call_has_a_mask_of_its_own_and_the_stream_decides_it():
    x = torch.ones(4, 50)
    one, same, other = dropout(), dropout(), StreamDropout(0.25, Stream(4)).train()
    first, second = one(x), one(x)
    assert not torch.equal(first, second)
    assert not torch.equal(first, other(x))
    torch.testing.assert_close(same(x), first, rtol=0, atol=0)
    torch.testing.assert_close(same(x), second, rtol=0, atol=0)


def test_dropout_is_the_identity_in_eval_and_at_rate_0():
    x = torch.randn(3, 4, generator=Stream(0).generator())
    layer = dropout().eval()
    assert layer(x) is x
    assert layer.calls == 0
    assert StreamDropout(0.0, Stream(0)).train()(x) is x
    assert (StreamDropout(1.0, Stream(0)).train()(x) == 0).all()


def test_the_gradient_passes_where_the_unit_was_kept():
    x = torch.ones(2, 30, requires_grad=True)
    layer = dropout()
    y = layer(x)
    y.sum().backward()
    torch.testing.assert_close(x.grad, y.detach())


def test_a_rate_outside_0_to_1_is_refused():
    with pytest.raises(ValueError, match="probability"):
        StreamDropout(1.5, Stream(0))


def test_reseed_starts_every_dropout_anew():
    network = nn.Sequential(dropout(), nn.Sequential(dropout())).train()
    x = torch.ones(2, 40)
    reseed(network, Stream(9).child("epoch", 1))
    first, second = network(x), network(x)
    reseed(network, Stream(9).child("epoch", 1))
    torch.testing.assert_close(network(x), first, rtol=0, atol=0)
    torch.testing.assert_close(network(x), second, rtol=0, atol=0)
    # Each has a child of its own: they differ from each other.
    assert network[0].stream != network[1][0].stream


def test_a_tracer_of_fx_takes_dropout_whole_and_copies_work():
    network = nn.Sequential(linear(3, 3), dropout()).train()
    graph = torch.fx.symbolic_trace(network).graph
    assert [node.op for node in graph.nodes] == [
        "placeholder",
        "call_module",
        "call_module",
        "output",
    ]
    for twin in (copy.deepcopy(network[1]), pickle.loads(pickle.dumps(network[1]))):
        x = torch.ones(5, 5)
        torch.testing.assert_close(twin(x), dropout()(x), rtol=0, atol=0)
    assert isinstance(network[1], nn.Dropout)


@pytest.mark.parametrize(
    ("init", "conv", "fc", "head"),
    [
        # Fan-out of 3x3x128 and fan-in of 3x3x64; 128 inputs of the linear layers.
        (Published(), math.sqrt(2 / (9 * 128)), 0.01, 0.01),
        (Published(0.02), math.sqrt(2 / (9 * 128)), 0.02, 0.02),
        (FanIn(), math.sqrt(2 / (9 * 64)), math.sqrt(2 / 128), math.sqrt(2 / 128)),
        (FanIn(0.5), math.sqrt(2 / (9 * 64)), math.sqrt(2 / 128), 0.5 * math.sqrt(2 / 128)),
    ],
)
def test_first_weights_have_the_spread_that_is_promised(init, conv, fc, head):
    network = nn.Sequential(convolution(64, 128), linear(128, 500), linear(128, 500))
    initialise(network, init, Stream(1), head="2")
    for layer, spread in zip(network, (conv, fc, head), strict=True):
        weight = layer.weight.detach()
        n = weight.numel()
        assert n >= 64_000
        # Standard error of a standard deviation: s / sqrt(2 n); of a mean: s / sqrt(n).
        assert abs(float(weight.std()) - spread) < 5 * spread / math.sqrt(2 * n)
        assert abs(float(weight.mean())) < 5 * spread / math.sqrt(n)


def test_weights_depend_on_name_and_stream_only():
    short, long = nn.Sequential(), nn.Sequential()
    long.add_module("first", linear(7, 7))
    for network in (short, long):
        network.add_module("second", linear(5, 4))
        initialise(network, FanIn(), Stream(1), head="")
    torch.testing.assert_close(short.second.weight, long.second.weight, rtol=0, atol=0)
    before = short.second.weight.detach().clone()
    initialise(short, FanIn(), Stream(2), head="")
    assert not torch.equal(short.second.weight, before)


def test_nothing_moves_the_global_generator():
    state = torch.get_rng_state()
    network = nn.Sequential(convolution(2, 3), dropout(), linear(5, 4))
    initialise(network, Published(), Stream(1), head="2")
    network[:2](torch.ones(1, 2, 5, 5))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("make", [Published, FanIn])
def test_a_spread_that_is_not_positive_is_refused(make):
    with pytest.raises(ValueError, match="must be positive"):
        make(0.0)
