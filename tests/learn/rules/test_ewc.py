"""learn/rules/ewc: on quadratic losses the springs make sequential equal joint training."""

import pytest
import torch

from bayesnn_spike.learn import learner
from bayesnn_spike.learn.initial import Given
from bayesnn_spike.learn.optimizers import Adam, Sgd
from bayesnn_spike.learn.rules import EWC, Gradient, StraightThrough
from bayesnn_spike.learn.rules.ewc import EwcState
from bayesnn_spike.rng import Stream
from tests.learn.rules.problems import BATCH, Problem, outputs_are_losses

START = {"w": torch.tensor([0.5, -1.5, 0.0], dtype=torch.float64)}
CURVES = torch.tensor([[2.0, 1.0, 0.5], [0.4, 3.0, 1.0], [1.0, 0.2, 2.0]], dtype=torch.float64)
CENTRES = torch.tensor([[1.0, -2.0, 0.5], [-1.0, 0.0, 3.0], [0.3, 1.0, -1.0]], dtype=torch.float64)
SIZES = (40, 10, 25)


def bowl(task: int) -> Problem:
    """L(w) = sum_i a_i (w_i - c_i)^2 / 2."""
    return Problem(3, lambda w: (CURVES[task] * (w - CENTRES[task]) ** 2).sum(-1) / 2)


def ewc(examples: int, strength: float = 1.0) -> EWC:
    return EWC(Gradient(Sgd(0.2), Given()), examples, strength)


def train(rule: EWC, state: EwcState, task: int, steps: int) -> EwcState:
    learn = learner(rule, bowl(task), outputs_are_losses)
    whole = learn.init(Stream(0), START)._replace(rule=state)
    for _ in range(steps):
        whole, _ = learn.update(whole, BATCH)
    return whole.rule


def test_three_tasks_in_sequence_equal_joint_training() -> None:
    """The Laplace approximation of a parabola is exact: the end is the optimum of all three."""
    state = ewc(SIZES[0]).init(START, Stream(0))
    for task, size in enumerate(SIZES):
        state = train(ewc(size), state, task, 300)
        state = ewc(size).anchor(state, {"w": CURVES[task]})
    sizes = torch.tensor(SIZES, dtype=torch.float64)[:, None]
    joint = (sizes * CURVES * CENTRES).sum(0) / (sizes * CURVES).sum(0)
    torch.testing.assert_close(state.inner.latents["w"][0], joint, rtol=0, atol=1e-9)
    torch.testing.assert_close(state.precision["w"][0], (sizes * CURVES).sum(0))


def test_without_data_the_latents_stay_at_the_anchor() -> None:
    state = train(ewc(40), ewc(40).init(START, Stream(0)), 0, 5)
    state = ewc(40).anchor(state, {"w": CURVES[0]})
    flat = Problem(3, lambda w: 0 * w.sum(-1))
    learn = learner(ewc(7), flat, outputs_are_losses)
    whole = learn.init(Stream(0), START)._replace(rule=state)
    for _ in range(10):
        whole, _ = learn.update(whole, BATCH)
    assert torch.equal(whole.rule.inner.latents["w"], state.anchor["w"])


def test_the_gradient_by_hand() -> None:
    """g + strength / N * N_1 F (v - v_1), with N_1 = 4, N = 10, strength 5."""
    start = ewc(4).init(START, Stream(0))
    fisher = {"w": torch.tensor([0.1, 0.0, 2.0], dtype=torch.float64)}
    state = ewc(4).anchor(start, fisher)
    moved = state._replace(
        inner=state.inner._replace(latents={"w": START["w"][None] + torch.tensor([1.0, 1.0, -2.0])})
    )
    after = train(ewc(10, strength=5.0), moved, 0, 1).inner.latents["w"][0]
    v = moved.inner.latents["w"][0]
    spring = 5.0 / 10 * 4 * fisher["w"] * torch.tensor([1.0, 1.0, -2.0])
    torch.testing.assert_close(after, v - 0.2 * (CURVES[0] * (v - CENTRES[0]) + spring))


def test_before_the_first_anchor_it_is_the_rule_itself() -> None:
    rule = StraightThrough(Adam(0.02))
    learn = [learner(r, bowl(0), outputs_are_losses) for r in (rule, EWC(rule, 10, 100.0))]
    states = [one.init(Stream(3), START) for one in learn]
    for _ in range(4):
        states = [one.update(s, BATCH)[0] for one, s in zip(learn, states, strict=True)]
    assert torch.equal(states[0].rule.latents["w"], states[1].rule.inner.latents["w"])


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"EWC\.examples must be positive"):
        ewc(0)
    with pytest.raises(ValueError, match=r"EWC\.strength must be positive"):
        ewc(3, 0.0)
    with pytest.raises(ValueError, match=r"the Fisher information does not match the latents"):
        ewc(3).anchor(ewc(3).init(START, Stream(0)), {})
