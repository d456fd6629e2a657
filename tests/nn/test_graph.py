"""nn/graph: named layers, joined branches, and state that is threaded through."""

import copy
import re

import pytest
import torch
from torch import Tensor, nn

from bayesnn_spike.neurons import Delayed, Immediate, ThresholdNeuron
from bayesnn_spike.nn import Add, Graph, Linear, Node, Sequential


class Adder(nn.Module):
    """Adds its state, which counts calls."""

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        state = torch.zeros(()) if state is None else state
        return x + state, state + 1


class Minus(nn.Module):
    """The difference of two: the order of inputs shows."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x - y


def diamond() -> Graph:
    return Graph(
        {
            "a": Node(Adder(), ("input",)),
            "b": Node(Adder(), ("a",)),
            "c": Node(Minus(), ("b", "input")),
        }
    )


def test_branches_join_in_the_order_of_the_inputs() -> None:
    net, x = diamond(), torch.zeros(1, 1, 2)
    y, state = net(x)
    assert y.tolist() == [[[0, 0]]]
    assert state == (torch.tensor(1.0), torch.tensor(1.0), None)
    y, state = net(x, (torch.tensor(2.0), torch.tensor(5.0), None))
    assert y.tolist() == [[[7, 7]]]
    assert state == (torch.tensor(3.0), torch.tensor(6.0), None)


def test_what_it_reads_and_returns_is_told() -> None:
    net = diamond()
    assert net.reads() == {"a": ("input",), "b": ("a",), "c": ("b", "input")}
    assert (net.returns(), net.feature_dims) == ("c", 1)
    early = Graph({"a": Node(Adder(), ("input",))} | {"b": Node(Adder(), ("a",))}, output="a")
    assert early.returns() == "a"


def test_a_chain_is_a_sequential() -> None:
    layers = {"w": Linear(3, 4), "n": ThresholdNeuron(0.3), "v": Linear(4, 2)}
    for layer in (layers["w"], layers["v"]):
        nn.init.normal_(layer.weight, generator=torch.Generator().manual_seed(1))
    chain = Sequential(**copy.deepcopy(layers))
    names = ["input", *layers]
    graph = Graph({n: Node(m, (names[i],)) for i, (n, m) in enumerate(layers.items())})
    assert list(graph.state_dict()) == list(chain.state_dict())
    x = torch.rand(9, 2, 3, generator=torch.Generator().manual_seed(0))
    whole, _ = graph(x)
    torch.testing.assert_close(whole, chain(x)[0])
    first, state = graph(x[:4])
    second, _ = graph(x[4:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole)
    weights = {n: p.expand(2, *p.shape) for n, p in graph.named_parameters()}
    drawn, _ = torch.func.functional_call(graph, weights, (x,))
    torch.testing.assert_close(drawn, torch.stack([whole, whole]))


def test_another_output_than_the_last() -> None:
    net = Graph(
        {"a": Node(nn.Identity(), ("input",)), "b": Node(Adder(), ("a",))},
        output="a",
    )
    x = torch.rand(2, 1, 3)
    torch.testing.assert_close(net(x)[0], x)
    assert net.reads() == {"a": ("input",), "b": ("a",)}


def test_wrong_graphs_are_refused() -> None:
    with pytest.raises(ValueError, match="'b' reads \\['c'\\]"):
        Graph({"b": Node(nn.Identity(), ("c",))})
    with pytest.raises(ValueError, match="reads nothing"):
        Graph({"b": Node(nn.Identity(), ())})
    with pytest.raises(ValueError, match="may be called 'input'"):
        Graph({"input": Node(nn.Identity(), ("input",))})
    with pytest.raises(ValueError, match="no node 'z'"):
        Graph({"a": Node(nn.Identity(), ("input",))}, output="z")
    with pytest.raises(ValueError, match="no node None"):
        Graph({})
    with pytest.raises(ValueError, match="2 entries for 3 layers"):
        diamond()(torch.zeros(1, 1, 1), (None, None))


@pytest.mark.parametrize(("axes", "shape"), [(1, (16, 20)), (3, (16, 1, 8, 8)), (1, (20,))])
def test_an_input_without_time_is_refused(axes: int, shape: tuple[int, ...]) -> None:
    """Red before: IndexError."""
    net = Graph({"a": Node(Adder(), ("input",))}, feature_dims=axes)
    text = f"expected [*K, T, B, *features] with {axes} axes of features, got shape {shape}; "
    with pytest.raises(ValueError, match=re.escape(text + "encoding.direct(images, T) makes")):
        net(torch.zeros(shape))


def neurons(order: Immediate | Delayed) -> Graph:
    """Two layers of neurons, and a branch past the first."""
    return Graph(
        {
            "one": Node(ThresholdNeuron(order=order), ("input",)),
            "sum": Node(Add(1.0, 0.5), ("one", "input")),
            "two": Node(ThresholdNeuron(order=order), ("sum",)),
        }
    )


def test_delays_count_delayed_neurons() -> None:
    assert neurons(Immediate()).delays() == (0, 0)
    assert neurons(Delayed()).delays() == (1, 2)


def test_too_few_steps_are_refused_with_the_reason() -> None:
    net = neurons(Delayed())
    with pytest.raises(ValueError, match="exact chance; take at least 3 steps"):
        net(torch.ones(1, 1, 1))
    with pytest.raises(ValueError, match="longest path of 2 spiking layers"):
        net(torch.ones(2, 1, 1))
    spikes, state = net(torch.full((3, 1, 1), 3.0))
    assert spikes.flatten().tolist() == [0, 1, 1]
    net(torch.ones(1, 1, 1), state)  # goes on from there
    neurons(Immediate())(torch.ones(1, 1, 1))


def test_chunks_of_a_run_may_be_shorter_than_the_network_is_deep() -> None:
    net, x = neurons(Delayed()), torch.full((5, 1, 1), 1.3)
    whole, _ = net(x)
    state, found = net.at_rest(5), []
    for step in x.split(1):
        spikes, state = net(step, state)
        found.append(spikes)
    assert torch.equal(torch.cat(found), whole)
    assert whole.sum() > 0
    with pytest.raises(ValueError, match="longest path of 2 spiking layers"):
        net.at_rest(2)


def test_the_reason_is_true() -> None:
    """Whatever the input, a readout of T = depth steps in the delayed order is zero."""
    w = torch.full((2, 2), 3.0)
    one, two = ThresholdNeuron(order=Delayed()), ThresholdNeuron(order=Delayed())
    x = torch.rand(3, 4, 2) * 100
    spikes, _ = two(one(x)[0] @ w)
    assert spikes[:2].abs().sum() == 0
    assert spikes[2].sum() == 8


def test_add_multiplies_by_gains_that_are_buffers() -> None:
    add = Add(1.0, torch.tensor([[[2.0]], [[3.0]]]))
    x, y = torch.ones(1, 1, 2, 2, 2), torch.ones(1, 1, 2, 2, 2)
    found = add(x, y)
    assert found[0, 0, :, 0, 0].tolist() == [3, 4]
    assert list(add.state_dict()) == ["gain0", "gain1"]
    with pytest.raises(ValueError, match="2 gains for 1 inputs"):
        add(x)
