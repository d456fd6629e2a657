"""learn/rules/ivon: a quadratic loss, where mean and precision are known in closed form."""

import pytest
import torch
from torch import Tensor

from bayesnn_spike.learn import Cosine, Credit, Temperature, learner
from bayesnn_spike.learn.initial import Given
from bayesnn_spike.learn.rules import IVON
from bayesnn_spike.learn.rules.ivon import IvonState
from bayesnn_spike.rng import Stream
from tests.learn.rules.problems import BATCH, Problem, outputs_are_losses

HESSIAN = torch.tensor([[2.0, 0.5, 0.0], [0.5, 1.0, -0.3], [0.0, -0.3, 0.4]], dtype=torch.float64)
CENTRE = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
START = {"w": torch.tensor([0.5, 1.5, 0.0], dtype=torch.float64)}


def bowl() -> Problem:
    """L(w) = (w - c)' A (w - c) / 2."""
    return Problem(3, lambda w: ((w - CENTRE) @ HESSIAN * (w - CENTRE)).sum(-1) / 2)


def run(rule: IVON, state: IvonState, steps: int, problem: Problem) -> list[IvonState]:
    """The states after every step."""
    learn = learner(rule, problem, outputs_are_losses)
    whole, found = learn.init(Stream(0), START)._replace(rule=state), []
    for _ in range(steps):
        whole, _ = learn.update(whole, BATCH)
        found.append(whole.rule)
    return found


def test_one_step_by_hand() -> None:
    """Two weights, two draws: the equations of the module, number by number."""
    rule = IVON(Temperature(10), lr=0.5, draws=2, beta1=0.8, beta2=0.75, hessian=0.4)
    state = rule.init({"w": torch.tensor([1.0, -1.0], dtype=torch.float64)}, Stream(0))
    state = state._replace(
        means={"w": torch.tensor([1.0, -1.0], dtype=torch.float64)},
        momentum={"w": torch.tensor([0.5, 0.0], dtype=torch.float64)},
        count=torch.tensor(1),
    )
    draw = rule.draw(state, Stream(1))
    noise = torch.tensor([[0.2, -0.4], [0.6, 0.0]], dtype=torch.float64)
    grads = torch.tensor([[1.0, -3.0], [2.0, 5.0]], dtype=torch.float64)
    after = rule.step(
        state, draw._replace(noise={"w": noise}), Credit(torch.zeros(2), {"w": grads})
    )
    for i in range(2):
        n, g = noise[:, i].tolist(), grads[:, i].tolist()
        h, d, ess, m, a = 0.4, 0.1, 10, [1.0, -1.0][i], [0.5, 0.0][i]
        f = (n[0] * g[0] + n[1] * g[1]) / 2 * (h + d) * ess
        h1 = 0.75 * h + 0.25 * f + 0.5 * 0.25**2 * (h - f) ** 2 / (h + d)
        a1 = 0.8 * a + 0.2 * (g[0] + g[1]) / 2
        m1 = m - 0.5 * (0.4 + d) * (a1 / (1 - 0.8**2) + d * m) / (h1 + d)
        found = (after.hessian["w"][i], after.momentum["w"][i], after.means["w"][i])
        assert [float(v) for v in found] == pytest.approx([h1, a1, m1], rel=1e-12)
    assert int(after.count) == 2


def test_draws_have_the_precision_of_the_state() -> None:
    """s = ess (h + d) = 20 * 0.3 + 4 = 10."""
    rule = IVON(Temperature(20), draws=20_000, hessian=0.3, prior_precision=4.0, initial=Given())
    assert rule.effective_sample_size == 20
    state = rule.init(START, Stream(0))
    draw = rule.draw(state, Stream(1))
    z = (draw.noise["w"].var(0) * 10 - 1) / (2 / 20_000) ** 0.5
    assert float(z.abs().max()) < 5
    torch.testing.assert_close(
        draw.leaves["w"].detach() - draw.noise["w"], START["w"].expand(20_000, 3)
    )
    precisions = rule.posterior(state).precisions["w"]
    torch.testing.assert_close(precisions, torch.full_like(precisions, 10))


def test_a_quadratic_loss_ends_in_its_closed_form() -> None:
    """m* = (A + d)^-1 A c and s* = ess (diag A + d), the optimum of mean-field Gaussians.

    Averaged over the last 300 of 600 steps; h has a bias of order 1 - beta2 that the draws
    shrink (the source's correction term), so it is compared to 2 %, the mean to 0.01.
    """
    rule = IVON(
        Temperature(25), lr=0.5, draws=400, beta2=0.95, prior_precision=5.0, initial=Given()
    )
    states = run(rule, rule.init(START, Stream(0)), 600, bowl())[300:]
    mean = torch.stack([s.means["w"] for s in states]).mean(0)
    hessian = torch.stack([s.hessian["w"] for s in states]).mean(0)
    decay = 5.0 / 25
    best = torch.linalg.solve(HESSIAN + decay * torch.eye(3).double(), HESSIAN @ CENTRE)
    torch.testing.assert_close(mean, best, rtol=0, atol=0.01)
    torch.testing.assert_close(hessian, HESSIAN.diagonal(), rtol=0.02, atol=0)
    last = rule.posterior(states[-1])
    torch.testing.assert_close(last.precisions["w"], 25 * HESSIAN.diagonal() + 5, rtol=0.15, atol=0)


def test_without_data_the_posterior_becomes_the_prior() -> None:
    rule = IVON(Temperature(10), lr=Cosine(1.0, 10**9), beta2=0.5, prior_precision=4.0, hessian=0.2)
    flat = Problem(3, lambda w: 0 * w.sum(-1))
    last = run(rule, rule.init(START, Stream(0)), 60, flat)[-1]
    found = rule.posterior(last)
    torch.testing.assert_close(found.means["w"], torch.zeros(3).double(), rtol=0, atol=1e-9)
    torch.testing.assert_close(found.precisions["w"], torch.full((3,), 4.0).double())


def test_the_precision_stays_positive_where_the_curvature_is_negative() -> None:
    """L = -|w|^2 / 2: h may fall below 0, h + d never does."""
    rule = IVON(Temperature(10), lr=1e-3, beta2=0.5, hessian=0.1, initial=Given())
    cap = Problem(3, lambda w: -w.square().sum(-1) / 2)
    states = run(rule, rule.init(START, Stream(0)), 60, cap)
    assert min(float(s.hessian["w"].min()) for s in states) < 0
    assert min(float(rule.posterior(s).precisions["w"].min()) for s in states) > 0


def test_consolidated_it_stays_put_without_data_and_shares_nothing() -> None:
    rule = IVON(Temperature(25), lr=0.05, draws=4, beta2=0.99, initial=Given())
    state = run(rule, rule.init(START, Stream(0)), 60, bowl())[-1]
    before = rule.posterior(state)
    new = rule.consolidate(state)
    shorter = IVON(Temperature(7), lr=0.05, draws=4, beta2=0.99)  # the next task's own N
    after = run(shorter, new, 20, Problem(3, lambda w: 0 * w.sum(-1)))[-1]
    for found in (shorter.posterior(new), shorter.posterior(after)):
        torch.testing.assert_close(found.means["w"], before.means["w"], rtol=1e-12, atol=0)
        torch.testing.assert_close(
            found.precisions["w"], before.precisions["w"], rtol=1e-12, atol=0
        )
    pointers = {v["w"].data_ptr() for v in (*new[:5], *state[:5])}
    assert len(pointers) == 10
    assert int(new.count) == 0
    assert not bool(new.momentum["w"].any())


def antithetic(
    rule: IVON, state: IvonState, curve: Tensor, centre: Tensor, steps: int = 400
) -> IvonState:
    """Steps on L = sum_i a_i (w_i - c_i)^2 / 2 with noise +-sd, for which f = a exactly."""
    for _ in range(steps):
        sd = rule.posterior(state).precisions["w"].rsqrt()
        noise = torch.stack([sd, -sd])
        grads = curve * (state.means["w"] + noise - centre)
        draw = rule.draw(state, Stream(0))._replace(noise={"w": noise})
        state = rule.step(state, draw, Credit(torch.zeros(2), {"w": grads}))
    return state


def test_two_tasks_in_sequence_equal_joint_training() -> None:
    """Parabolas: precisions add, means are weighted by them."""
    curves = torch.tensor([[2.0, 1.0, 0.5], [0.4, 3.0, 1.0]], dtype=torch.float64)
    centres = torch.tensor([[1.0, -2.0, 0.5], [-1.0, 0.0, 3.0]], dtype=torch.float64)
    first, second, both = (
        IVON(Temperature(n), lr=0.5, beta2=0.5, prior_precision=2.0, hessian=1.0, initial=Given())
        for n in (40, 10, 50)
    )
    state = antithetic(first, first.init(START, Stream(0)), curves[0], centres[0])
    state = antithetic(second, first.consolidate(state), curves[1], centres[1])
    found = second.posterior(state)
    total = (40 * curves[0] + 10 * curves[1]) / 50
    middle = (40 * curves[0] * centres[0] + 10 * curves[1] * centres[1]) / 50 / total
    joint = both.posterior(antithetic(both, both.init(START, Stream(0)), total, middle))
    torch.testing.assert_close(found.precisions["w"], 50 * total + 2)
    torch.testing.assert_close(found.means["w"], 50 * total * middle / (50 * total + 2))
    torch.testing.assert_close(found.means["w"], joint.means["w"])
    torch.testing.assert_close(found.precisions["w"], joint.precisions["w"])


def test_a_stiff_second_task_in_sequence_equals_joint_training() -> None:
    """Linear-Gaussian, curvatures of 0 to 400 in either order; default decays of the mean."""
    curves = torch.tensor([[0.0, 400.0, 1.0], [400.0, 0.0, 90.0]], dtype=torch.float64)
    centres = torch.tensor([[1.0, -2.0, 0.5], [-1.0, 0.0, 3.0]], dtype=torch.float64)
    first, second = (IVON(Temperature(n), lr=0.5, beta2=0.9, initial=Given()) for n in (40, 10))
    state = antithetic(first, first.init(START, Stream(0)), curves[0], centres[0], 2000)
    state = antithetic(second, first.consolidate(state), curves[1], centres[1], 2000)
    found = second.posterior(state)
    total = 40 * curves[0] + 10 * curves[1]
    middle = (40 * curves[0] * centres[0] + 10 * curves[1] * centres[1]) / (total + 1)
    torch.testing.assert_close(found.precisions["w"], total + 1)
    torch.testing.assert_close(found.means["w"], middle)


@pytest.mark.parametrize("flat", [0.0, 0.01, 1.0, 100.0])
@pytest.mark.parametrize("stiff", [0.1, 1.0, 10.0, 100.0, 1000.0])
def test_the_first_step_after_consolidating_is_at_most_that_of_a_first_task(
    flat: float, stiff: float
) -> None:
    """From distance 1, without momentum: lr A (h0 + d0) / (h + b2 h0 + d), and never over lr A."""
    rule = IVON(Temperature(250), lr=0.1, beta1=0.0, initial=Given())
    zero, one = (torch.full((1,), v, dtype=torch.float64) for v in (0.0, 1.0))
    state = rule.init({"w": zero}, Stream(0))
    state = rule.consolidate(state._replace(hessian={"w": one * flat}))
    step = float(antithetic(rule, state, one * stiff, one, steps=1).means["w"])
    d = flat + 1 / 250
    h = 0.001 * stiff + (0.001 * stiff) ** 2 / (2 * d)
    assert step == pytest.approx(0.1 * 0.104 * stiff / (h + 0.999 * 0.1 + d), rel=1e-12)
    assert step <= 0.1 * stiff * 1.001


def test_a_task_that_the_one_before_said_nothing_of_is_learned_as_a_first_one() -> None:
    """Settings as they come, noisy steps, 50 weights of curvature 10: as without a task before.

    With h = 0 alone in the step, single weights went 796 away and stayed there.
    """
    rule = IVON(Temperature(250), initial=Given())
    zeros = torch.zeros(50, dtype=torch.float64)
    fresh = rule.init({"w": zeros}, Stream(0))
    flat = rule.consolidate(fresh._replace(hessian={"w": zeros}))
    assert torch.equal(flat.prior_precisions["w"], fresh.prior_precisions["w"])
    steep = Problem(50, lambda w: 5 * (w - 1).square().sum(-1))
    best = 10 / (10 + 1 / 250)
    for start in (fresh, flat):
        far = torch.stack([s.means["w"] for s in run(rule, start, 600, steep)]) - best
        assert float(far.abs().max()) < 2
        assert float(far[200:].square().mean().sqrt()) < 0.02


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": Temperature(10, tempering=0)}, r"IVON.temperature.rho must be positive"),
        ({"beta2": 1.0}, r"IVON.beta2 must lie in \[0, 1\)"),
        ({"hessian": 0.0}, "IVON.hessian must be positive"),
        ({"prior_precision": -1.0}, "IVON.prior_precision must be positive"),
        ({"draws": 0}, "IVON.draws must be positive"),
    ],
)
def test_wrong_settings_are_refused(options, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        IVON(**{"temperature": Temperature(10), **options})
