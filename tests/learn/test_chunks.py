"""learn/chunks: one step of the rule along the gradients of all chunks of a batch."""

import pytest
import torch
from torch import Tensor, nn

from bayesnn_spike.learn import (
    Accumulate,
    Local,
    RateCrossEntropy,
    StepCrossEntropy,
    SummedCrossEntropy,
    Temperature,
    learner,
)
from bayesnn_spike.learn.estimators import HardStraightThrough
from bayesnn_spike.learn.initial import CoinFlip, Given
from bayesnn_spike.learn.optimizers import Sgd
from bayesnn_spike.learn.rules import BayesBiSNN, Gradient, StraightThrough
from bayesnn_spike.models import local_mlp, mlp
from bayesnn_spike.nn import Dropout, Linear, Sequential
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch
from tests.ops import cases

LABELS = torch.tensor([0, 1, 2])
X = cases.spikes(7, 3, 4, dtype=torch.float64)


def memoryless() -> Sequential:
    """Every step by itself: what a chunk leaves behind changes nothing."""
    network = Sequential(linear=Linear(4, 3)).double()
    with torch.no_grad():
        network.linear.weight.copy_(cases.lattice(3, 4))
    return network


class Mean(nn.Module):
    """A loss that is linear in the readout."""

    def forward(self, readout: Tensor, labels: Tensor) -> Tensor:
        return readout.gather(-1, labels.expand(*readout.shape[:-1])[..., None]).mean((1, 2, 3))


def step(loss, network: nn.Module, *, rule=None, x: Tensor = X, **options):
    learn = learner(rule or Gradient(Sgd(1.0), Given()), network, loss, **options)
    state = learn.init(Stream(3))
    after, info = learn.update(state, Batch(x, LABELS))
    return state, after, info


@pytest.mark.parametrize("loss", [StepCrossEntropy(), Mean()])
@pytest.mark.parametrize("horizon", [1, 2, 3, 7, 20])
def test_without_memory_the_chunks_have_the_full_gradient(loss, horizon: int) -> None:
    """Also where the last chunk is shorter: each counts by its steps."""
    _, whole, seen = step(loss, memoryless())
    start, parts, info = step(loss, memoryless(), horizon=horizon, chunks=Accumulate())
    name = "linear.weight"
    assert not torch.equal(parts.rule.latents[name], start.rule.latents[name])
    torch.testing.assert_close(parts.rule.latents[name], whole.rule.latents[name])
    torch.testing.assert_close(info.loss, seen.loss)
    assert int(parts.rule.optimizer.count) == 1


def test_a_step_a_chunk_is_another_thing() -> None:
    _, whole, _ = step(StepCrossEntropy(), memoryless())
    _, many, _ = step(StepCrossEntropy(), memoryless(), horizon=2)
    assert int(many.rule.optimizer.count) == 4
    assert not torch.allclose(
        many.rule.latents["linear.weight"], whole.rule.latents["linear.weight"]
    )


def test_running_is_the_loop_of_the_released_code() -> None:
    """CE(U_t / t) at the end of every chunk, U_t carried as a number, gradients added up."""
    network = memoryless()
    total = torch.zeros(3, 3, dtype=torch.float64)
    losses = []
    for first in (0, 3, 6):
        piece = X[first : first + 3]
        total = total.detach() + network(piece)[0].sum(0)
        losses.append(nn.functional.cross_entropy(total / min(first + 3, 7), LABELS))
        losses[-1].backward()
    options = {"horizon": 3, "chunks": Accumulate(running=True)}
    start, after, info = step(RateCrossEntropy(), network, **options)
    moved = start.rule.latents["linear.weight"] - after.rule.latents["linear.weight"]
    torch.testing.assert_close(moved[0], network.linear.weight.grad)
    torch.testing.assert_close(info.loss, torch.stack(losses).mean().detach())


def test_running_readouts_of_blocks_are_joined_one_by_one() -> None:
    """With one chunk there is nothing before; with more, only constants are added."""
    network = local_mlp(4, (5, 4), 3, stream=Stream(1)).double()
    loss = Local(SummedCrossEntropy())
    _, whole, _ = step(loss, network)
    _, one, _ = step(loss, network, horizon=7, chunks=Accumulate(running=True))
    _, many, _ = step(loss, network, horizon=2, chunks=Accumulate(running=True))
    for name, value in whole.rule.latents.items():
        torch.testing.assert_close(one.rule.latents[name], value)
        assert many.rule.latents[name].isfinite().all()
    assert int(many.rule.optimizer.count) == 1


def test_all_chunks_have_the_same_draw_and_the_same_masks() -> None:
    """A binary layer and dropout: the chunks' gradients add up only if nothing is drawn anew."""
    network = Sequential(linear=Linear(4, 3), drop=Dropout(0.5)).double()
    rule = BayesBiSNN(
        Temperature(10), HardStraightThrough(), optimizer=Sgd(0.5), initial=CoinFlip(0.3)
    )
    for each in (rule, StraightThrough(Sgd(0.1))):
        _, whole, _ = step(StepCrossEntropy(), network, rule=each)
        _, parts, _ = step(StepCrossEntropy(), network, rule=each, horizon=2, chunks=Accumulate())
        found, expected = (tree.rule[0]["linear.weight"] for tree in (parts, whole))
        torch.testing.assert_close(found, expected)


def test_burn_in_and_carried_states() -> None:
    """By hand: states cross the border of chunks as numbers, and burn-in is not learned from."""
    network = mlp(4, (5,), 3).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(2 * cases.lattice(*parameter.shape))
    _, state = network(X[:1])
    expected = {name: torch.zeros_like(p) for name, p in network.named_parameters()}
    for first, last in ((1, 4), (4, 7)):
        state = torch.utils._pytree.tree_map(
            lambda s: s.detach() if isinstance(s, Tensor) else s, state
        )
        readout, state = network(X[first:last], state)
        loss = SummedCrossEntropy()(readout, LABELS).sum()
        grads = torch.autograd.grad(loss, list(network.parameters()))
        for name, grad in zip(expected, grads, strict=True):
            expected[name] += 0.5 * grad
    options = {"horizon": 3, "burn_in": 1, "chunks": Accumulate()}
    start, after, _ = step(SummedCrossEntropy(), network, **options)
    for name, grad in expected.items():
        moved = start.rule.latents[name] - after.rule.latents[name]
        torch.testing.assert_close(moved[0], grad)
    assert any(bool(grad.any()) for grad in expected.values())
