"""learn/mcmc/tempered: the joint law of all rungs is kept, and exchanges follow their matrix."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from bayesnn_spike.learn.mcmc import Density, SingleFlip, Tempered
from bayesnn_spike.learn.mcmc.kernel import ChainState, Counts, start_of, without_ladder
from bayesnn_spike.rng import Stream
from tests.learn import small_targets
from tests.learn.mcmc.matrices import step_matrix

TARGET = small_targets.regression(0.5)
POWERS = (1.0, 0.4, 0.0)
LADDER = Tempered(SingleFlip(), POWERS)
ROWS = small_targets.rows(3).to(torch.int8)
# Joint states of three rungs: vector a at rung 0, b at rung 1, c at rung 2.
JOINT = torch.cartesian_prod(*[torch.arange(8)] * 3)


@dataclass(frozen=True)
class Still:
    """A kernel that never moves, so that only exchanges do."""

    def init(self, density: Density, signs: Tensor) -> ChainState:
        return start_of(density, signs)

    def step(self, density: Density, state: ChainState, stream: Stream) -> ChainState:
        return state

    def current(self, state: ChainState) -> ChainState:
        return state

    def counts(self, state: ChainState) -> Counts:
        return without_ladder(state)


def laws() -> list[Tensor]:
    """The law at each rung, `[8]`."""
    prior, likelihood = Density(TARGET).evaluate(ROWS)
    return [(prior + power * likelihood).softmax(0) for power in POWERS]


def joint_law() -> Tensor:
    a, b, c = laws()
    return torch.kron(torch.kron(a, b), c)


def exchange_matrix(turn: int) -> Tensor:
    """The `[512, 512]` matrix of a round in which pair `turn` of rungs takes its turn."""
    _, likelihood = Density(TARGET).evaluate(ROWS)
    chance = LADDER.exchange_probability(likelihood[JOINT])[:, turn]
    swapped = JOINT.clone()
    swapped[:, [turn, turn + 1]] = JOINT[:, [turn + 1, turn]]
    matrix = torch.diag(1 - chance)
    there = (swapped * torch.tensor([64, 8, 1])).sum(1)
    matrix[torch.arange(512), there] += chance
    return matrix


def test_the_laws_of_the_rungs() -> None:
    """The first is the target, the last is the prior."""
    torch.testing.assert_close(laws()[0], small_targets.oracle(TARGET)[0])
    torch.testing.assert_close(laws()[2] @ ROWS.double(), TARGET.prior.logits["w"].tanh())


@pytest.mark.parametrize("turn", [0, 1])
def test_exchanges_keep_the_joint_law(turn: int) -> None:
    law, matrix = joint_law(), exchange_matrix(turn)
    flow = law[:, None] * matrix
    assert float((flow - flow.T).abs().max()) < 1e-12
    assert float((law @ matrix - law).abs().max()) < 1e-10
    assert float(matrix.diagonal().min()) < 0.5


def test_a_step_keeps_the_joint_law() -> None:
    """Moves at each rung, each with its own power, then exchanges: pi P = pi to 1e-10."""
    moves = [
        step_matrix(SingleFlip(), Density(TARGET, torch.full((8,), power, dtype=torch.float64)))
        for power in POWERS
    ]
    law = joint_law()
    moved = torch.einsum("abc,ai,bj,ck->ijk", law.view(8, 8, 8), *moves).flatten()
    for turn in (0, 1):
        after = moved @ exchange_matrix(turn)
        assert float((after - law).abs().max()) < 1e-10


def test_rounds_follow_the_matrix_and_take_turns() -> None:
    """500 ladders at each of eight joint states make two rounds; frequencies at 5 sigma."""
    ladder, density, count = Tempered(Still(), POWERS), Density(TARGET), 2000
    chosen = torch.arange(8) * 64 + 9 * torch.tensor([7, 3, 0, 5, 1, 2, 6, 4]) % 64
    start = JOINT[chosen].repeat_interleave(count, 0)
    state = ladder.init(density, ROWS[start[:, 0]])
    state = state._replace(replicas=start_of(density, ROWS[start.flatten()]))
    expected = torch.eye(512, dtype=torch.float64)[chosen]
    for turn in (0, 1):
        state = ladder.step(density, state, Stream(3).child(turn))
        expected = expected @ exchange_matrix(turn)
        vectors = ((state.replicas.signs > 0).long() << torch.arange(3)).sum(1).view(-1, 3)
        places = (vectors * torch.tensor([64, 8, 1])).sum(1).view(8, count)
        found = torch.stack([torch.bincount(row, minlength=512) for row in places]) / count
        sigma = (expected * (1 - expected) / count).clamp(min=0).sqrt()
        assert bool(((found - expected).abs() <= 5 * sigma + 1e-12).all())
        fresh = start_of(density, state.replicas.signs)
        torch.testing.assert_close(state.replicas.log_likelihood, fresh.log_likelihood)
    assert state.tried.tolist() == [8 * count, 8 * count]
    assert 0 < int(state.swapped[0]) < 8 * count


def test_the_cold_chains_are_the_first_rung() -> None:
    density = Density(TARGET)
    state = LADDER.init(density, ROWS)
    assert torch.equal(LADDER.current(state).signs, ROWS)
    assert len(state.replicas.signs) == 24
    state = LADDER.step(density, state, Stream(2))
    cold = LADDER.current(state)
    assert torch.equal(cold.signs, state.replicas.signs[::3])
    counts = LADDER.counts(state)
    assert counts.proposed.tolist() == [1] * 8
    assert torch.equal(counts.accepted, state.replicas.accepted[::3])


def test_several_moves_between_exchanges() -> None:
    ladder, density = Tempered(SingleFlip(), POWERS, every=4), Density(TARGET)
    state = ladder.step(density, ladder.init(density, ROWS), Stream(2))
    assert ladder.counts(state).proposed.tolist() == [4] * 8
    assert state.tried.tolist() == [8, 0]


@pytest.mark.parametrize("powers", [(), (0.9, 0.5), (1.0, 1.0), (1.0, 0.2, 0.5), (1.0, -0.1)])
def test_ladders_that_do_not_fall_from_one_are_refused(powers: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="powers must fall from 1 and stay at 0 or above"):
        Tempered(SingleFlip(), powers)


def test_guards() -> None:
    with pytest.raises(TypeError, match="a ladder of temperatures takes a plain kernel"):
        Tempered(LADDER)
    with pytest.raises(ValueError, match="every must be positive, got 0"):
        Tempered(SingleFlip(), every=0)
