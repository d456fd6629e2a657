"""learn/learner: which draws, chunks, states and steps one update is made of."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from bayesnn_spike.learn import Local, RateCrossEntropy, StepCrossEntropy, Temperature, learner
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.estimators import HardStraightThrough
from bayesnn_spike.learn.initial import CoinFlip, Given
from bayesnn_spike.learn.optimizers import Sgd
from bayesnn_spike.learn.rule import leaf
from bayesnn_spike.learn.rules import BayesBiSNN, Gradient, StBiSNN
from bayesnn_spike.models import local_mlp, mlp
from bayesnn_spike.neurons import Delayed, ThresholdNeuron
from bayesnn_spike.nn import Graph, Linear, Node
from bayesnn_spike.posterior import Point
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch
from tests.ops import cases

LABELS = torch.tensor([0, 1])


class Memory(NamedTuple):
    count: Tensor


class Recorder:
    """A rule that learns nothing and writes down what it is asked."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.costs: list[Credit] = []

    def init(self, params, stream):
        self.streams.append(stream)
        return Memory(torch.zeros((), dtype=torch.int64))

    def draw(self, state: Memory, stream: Stream) -> Draw:
        self.streams.append(stream)
        weights = {"w": leaf(torch.full((2,), float(state.count)))}
        return Draw(weights, weights)

    def step(self, state: Memory, draw: Draw, credit: Credit) -> Memory:
        self.costs.append(credit)
        return Memory(state.count + 1)

    def posterior(self, state: Memory) -> Point:
        return Point({"w": state.count.float()})


class Tally(nn.Module):
    """Outputs, for every draw, the weight and the steps seen so far: chunks show in them."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(()))
        self.calls: list[tuple[int, float, float | None]] = []

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        seen = None if state is None else float(state)
        self.calls.append((len(x), float(self.w.detach().flatten()[0]), seen))
        return self.w * 10, torch.tensor((seen or 0.0) + len(x)) + 0 * self.w.sum()


def record(steps: int, **options) -> tuple[Recorder, Tally, object]:
    rule, network = Recorder(), Tally()
    learn = learner(rule, network, lambda out, _: out, **options)
    state = learn.init(Stream(4))
    state, info = learn.update(state, Batch(torch.zeros(steps, 2, 1), LABELS))
    return rule, network, (state, info)


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ({}, [(7, 0, None)]),
        ({"horizon": 7}, [(7, 0, None)]),
        ({"horizon": 10}, [(7, 0, None)]),
        ({"horizon": 3}, [(3, 0, None), (3, 1, 3), (1, 2, 6)]),
        ({"horizon": 1}, [(1, t, t or None) for t in range(7)]),
        ({"burn_in": 2}, [(2, 0, None), (5, 0, 2)]),
        ({"burn_in": 2, "horizon": 3}, [(2, 0, None), (3, 0, 2), (2, 1, 5)]),
    ],
)
def test_chunks_states_and_steps(options: dict, calls: list) -> None:
    """(steps of the chunk, rule steps before it, time steps in the carried state)."""
    _, network, (state, info) = record(7, **options)
    assert network.calls == calls
    learning = calls[1:] if "burn_in" in options else calls
    assert int(state.rule.count) == len(learning)
    assert int(state.step) == 1
    # The loss of chunk i is 10 i: the mean over draws and chunks.
    assert float(info.loss) == 10 * sum(range(len(learning))) / len(learning)


def test_streams_name_learner_batch_and_chunk() -> None:
    rule, _, _ = record(6, burn_in=1, horizon=3)
    learn = Stream(4).child("learn")
    assert rule.streams == [
        Stream(4).child("init"),
        learn.child(0).child("burn_in"),
        learn.child(0).child(0),
        learn.child(0).child(1),
    ]


def test_every_batch_has_fresh_draws_and_any_seed_survives_the_state() -> None:
    rule = BayesBiSNN(Temperature(10), HardStraightThrough(), initial=CoinFlip(0.1))
    network = mlp(4, (8,), 2)
    learn = learner(rule, network, RateCrossEntropy())
    for seed in range(20):  # half of all streams have the sign bit set
        state = learn.init(Stream(seed))
        assert Stream(int(state.seed) % (1 << 64)) == Stream(seed).child("learn")
    later = state._replace(step=state.step + 1)
    batch = Batch(cases.spikes(5, 2, 4), LABELS)
    assert float(learn.update(state, batch)[1].loss) != float(learn.update(later, batch)[1].loss)


def test_the_network_s_parameters_are_the_default_start_and_stay_untouched() -> None:
    network = mlp(4, (3,), 2)
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(cases.lattice(*p.shape))
    before = {n: p.clone() for n, p in network.named_parameters()}
    learn = learner(Gradient(Sgd(1.0), Given()), network, RateCrossEntropy())
    state = learn.init(Stream(0))
    batch = Batch(cases.spikes(5, 2, 4, rate=0.8), LABELS)
    after, _ = learn.update(state, batch)
    moved = learn.posterior(after).weights
    assert any(not torch.equal(moved[n], p) for n, p in network.named_parameters())
    for n, p in network.named_parameters():
        assert torch.equal(state.rule.latents[n][0], before[n])
        assert torch.equal(p, before[n])
        assert p.grad is None
    own = {n: torch.full_like(p, 0.5) for n, p in network.named_parameters()}
    assert torch.equal(
        learn.init(Stream(0), own).rule.latents["input.weight"][0], own["input.weight"]
    )


def test_horizon_none_is_back_propagation_through_time() -> None:
    """One step of the rule along the gradient of the whole recording's loss."""
    network = mlp(4, (3,), 2).double()
    learn = learner(Gradient(Sgd(0.5)), network, RateCrossEntropy())
    state = learn.init(Stream(1))
    batch = Batch(cases.spikes(6, 2, 4, dtype=torch.float64), LABELS)
    weights = {n: w.clone().requires_grad_() for n, w in state.rule.latents.items()}
    outputs, _ = functional_call(network, weights, (batch.spikes,))
    loss = RateCrossEntropy()(outputs, LABELS).sum()
    grads = dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))
    after, info = learn.update(state, batch)
    torch.testing.assert_close(info.loss, loss.detach())
    for n, w in weights.items():
        torch.testing.assert_close(after.rule.latents[n], w.detach() - 0.5 * grads[n])


def test_horizon_one_is_the_papers_online_local_learning() -> None:
    """The loop of BiSNN's code written out: a step of the rule at every time step, states
    carried and detached, burn-in without learning, the loss the sum over blocks."""
    network = local_mlp(5, (6, 4), 2, stream=Stream(9)).double()
    rule, burn_in = StBiSNN(3.0), 2
    learn = learner(rule, network, Local(StepCrossEntropy()), horizon=1, burn_in=burn_in)
    state = learn.init(Stream(2))
    batch = Batch(cases.spikes(8, 2, 5, dtype=torch.float64), LABELS)
    latents = {n: v[0].clone() for n, v in state.rule.latents.items()}
    carried = None
    for t, x in enumerate(batch.spikes):
        signs = {n: torch.where(v >= 0, 1.0, -1.0).requires_grad_() for n, v in latents.items()}
        signs = {n: w.double().detach().requires_grad_() for n, w in signs.items()}
        readouts, carried = functional_call(network, signs, (x[None], carried))
        carried = torch.utils._pytree.tree_map(
            lambda s: s.detach() if isinstance(s, Tensor) else s, carried
        )
        if t >= burn_in:
            loss = sum(nn.functional.cross_entropy(r[0], LABELS) for r in readouts)
            grads = torch.autograd.grad(loss, list(signs.values()))
            latents = {n: v - 3.0 * g for (n, v), g in zip(latents.items(), grads, strict=True)}
    after, _ = learn.update(state, batch)
    for n, v in latents.items():
        torch.testing.assert_close(after.rule.latents[n][0], v)
    assert any(not torch.equal(after.rule.latents[n], v) for n, v in state.rule.latents.items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"horizon": 0}, "horizon must be None or at least 1 step, got 0"),
        ({"burn_in": -1}, "burn_in must be at least 0 steps, got -1"),
    ],
)
def test_wrong_options_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        learner(Recorder(), Tally(), RateCrossEntropy(), **options)


def test_batches_that_leave_nothing_or_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="burn_in 3 leaves nothing of 3 time steps"):
        record(3, burn_in=3)
    learn = learner(Recorder(), Tally(), lambda out, _: out)
    with pytest.raises(ValueError, match=r"batch.labels must have shape \(5,\), got \(2,\)"):
        learn.update(learn.init(Stream(0)), Batch(torch.zeros(3, 5, 1), LABELS))


def delayed() -> Graph:
    """Two spiking layers in the delayed order, so that the third step is the first to be heard."""
    nodes, before = {}, "input"
    for name, (n_in, n_out) in {"one": (4, 5), "two": (5, 5)}.items():
        nodes[name] = Node(Linear(n_in, n_out), (before,))
        before = f"{name}_fire"
        nodes[before] = Node(ThresholdNeuron(0.5, order=Delayed()), (name,))
    nodes["head"] = Node(Linear(5, 2), (before,))
    network = Graph(nodes)
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(3 * cases.lattice(*p.shape).abs())
    return network


@pytest.mark.parametrize(
    "options", [{"horizon": 1}, {"horizon": 2}, {"burn_in": 1}, {"burn_in": 2, "horizon": 1}]
)
def test_chunks_may_be_shorter_than_a_delayed_network_is_deep(options: dict) -> None:
    """The readouts of the chunks, joined, are those of the whole run."""
    network, seen = delayed(), []
    x = cases.spikes(6, 2, 4, rate=0.8)

    def loss(readout: Tensor, labels: Tensor) -> Tensor:
        seen.append(readout.detach()[0])
        return RateCrossEntropy()(readout, labels)

    learn = learner(Gradient(Sgd(1e-30), Given()), network, loss, **options)
    learn.update(learn.init(Stream(0)), Batch(x, LABELS))
    whole = network(x)[0].detach()
    assert bool(whole.any())
    torch.testing.assert_close(torch.cat(seen), whole[options.get("burn_in", 0) :])


@pytest.mark.parametrize("options", [{}, {"horizon": 1}, {"burn_in": 1}])
def test_a_run_too_short_for_a_delayed_network_is_refused_for_what_it_is(options: dict) -> None:
    network = delayed()
    learn = learner(Gradient(Sgd(0.1), Given()), network, RateCrossEntropy(), **options)
    with pytest.raises(ValueError, match="2 time steps cannot cross 2 spiking layers"):
        learn.update(learn.init(Stream(0)), Batch(cases.spikes(2, 2, 4), LABELS))
