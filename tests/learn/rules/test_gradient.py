"""learn/rules/gradient: plain descent on real weights."""

import pytest
import torch
from torch import nn

from bayesnn_spike.learn import Credit, learner
from bayesnn_spike.learn.initial import Given, Normal, initialise
from bayesnn_spike.learn.optimizers import Sgd
from bayesnn_spike.learn.rules import Gradient
from bayesnn_spike.posterior import Point
from bayesnn_spike.rng import Stream
from tests.learn.rules.problems import BATCH, Problem, outputs_are_losses


def test_descent_on_a_parabola() -> None:
    """L = |w|^2 / 2: w shrinks by 1 - lr every step."""
    learn = learner(
        Gradient(Sgd(0.25), Given()),
        Problem(2, lambda w: w.square().sum(-1) / 2),
        outputs_are_losses,
    )
    state = learn.init(Stream(0), {"w": torch.tensor([4.0, -8.0])})
    for expected in ([3.0, -6.0], [2.25, -4.5], [1.6875, -3.375]):
        state, info = learn.update(state, BATCH)
        assert learn.posterior(state).weights["w"].tolist() == expected
    assert float(info.loss) == (2.25**2 + 4.5**2) / 2


def test_bounded_parameters_are_brought_back_after_each_step() -> None:
    """L = -w: w grows by lr without end, and stops at its bound."""
    bounds = (("w", 0.0, 1.0), ("other.*", 5.0, 6.0))
    rule = Gradient(Sgd(0.25), Given(), bounds)
    learn = learner(rule, Problem(2, lambda w: -w.sum(-1)), outputs_are_losses)
    state = learn.init(Stream(0), {"w": torch.tensor([0.6, -0.6])})
    for expected in ([0.85, 0.0], [1.0, 0.25], [1.0, 0.5]):
        state, _ = learn.update(state, BATCH)
        found = learn.posterior(state).weights["w"]
        torch.testing.assert_close(found, torch.tensor(expected))


def test_it_starts_at_its_initial_weights_and_runs_them_as_they_are() -> None:
    params, rule = {"a": torch.ones(3, 2), "b": torch.ones(4)}, Gradient()
    state = rule.init(params, Stream(1))
    expected = initialise(Normal(1.0), params, Stream(1))
    draw = rule.draw(state, Stream(2))
    for name, values in expected.items():
        assert torch.equal(draw.weights[name], values[None])
        assert draw.leaves[name] is draw.weights[name]
        assert draw.leaves[name].requires_grad


def test_the_posterior_is_a_point_and_a_copy() -> None:
    rule = Gradient()
    state = rule.init({"a": torch.ones(3, 2)}, Stream(1))
    posterior = rule.posterior(state)
    assert isinstance(posterior, Point)
    posterior.weights["a"].zero_()
    assert bool(state.latents["a"].any())


def test_a_clipped_step_is_that_of_torch() -> None:
    """L = |a|^2 / 2 + |b|^2 / 2: the gradient is (a, b), of norm 5, and is shrunk to norm 2."""
    params = {"a": torch.tensor([3.0]), "b": torch.tensor([[4.0]])}
    theirs = [nn.Parameter(p.clone()) for p in params.values()]
    for parameter in theirs:
        parameter.grad = parameter.detach().clone()
    nn.utils.clip_grad_norm_(theirs, 2.0)
    torch.optim.SGD(theirs, lr=0.5).step()

    for clip, expected in ((2.0, theirs), (9.0, [p / 2 for p in params.values()])):
        rule = Gradient(Sgd(0.5), Given(), clip=clip)
        state = rule.init(params, Stream(0))
        draw = rule.draw(state, Stream(1))
        credit = Credit(torch.zeros(1), {n: w.detach() for n, w in draw.weights.items()})
        moved = rule.posterior(rule.step(state, draw, credit)).weights
        for found, wanted in zip(moved.values(), expected, strict=True):
            torch.testing.assert_close(found, wanted.detach())


def test_a_largest_norm_is_positive() -> None:
    with pytest.raises(ValueError, match=r"Gradient\.clip must be positive, got 0\.0"):
        Gradient(clip=0.0)
