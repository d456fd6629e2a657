"""learn/rules/straight_through: signs forward, the gradient to the latent, a clamp."""

import pytest
import torch

from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.initial import Given, Uniform
from bayesnn_spike.learn.optimizers import Adam, Sgd
from bayesnn_spike.learn.rules import StraightThrough
from bayesnn_spike.rng import Stream

PARAMS = {"w": torch.tensor([0.5, -0.25, 0.0, -0.0])}


def step(rule: StraightThrough, state, grads: list[float]):
    return rule.step(state, Draw({}, {}), Credit(torch.zeros(1), {"w": torch.tensor([grads])}))


def test_the_forward_weights_are_signs_with_zero_counted_plus() -> None:
    rule = StraightThrough(initial=Given())
    state = rule.init(PARAMS, Stream(0))
    assert rule.draw(state, Stream(1)).weights["w"].tolist() == [[1, -1, 1, 1]]
    assert rule.posterior(state).weights["w"].tolist() == [1, -1, 1, 1]


def test_the_gradient_goes_to_the_latent_as_it_is() -> None:
    rule = StraightThrough(Sgd(0.5), limit=None, initial=Given())
    state = step(rule, rule.init(PARAMS, Stream(0)), [2.0, 2.0, -4.0, 0.0])
    assert state.latents["w"].tolist() == [[-0.5, -1.25, 2.0, 0.0]]
    assert rule.draw(state, Stream(1)).weights["w"].tolist() == [[-1, -1, 1, 1]]


@pytest.mark.parametrize("limit", [1.0, 0.6])
def test_latents_are_clamped(limit: float) -> None:
    rule = StraightThrough(Sgd(1.0), limit=limit, initial=Given())
    state = step(rule, rule.init(PARAMS, Stream(0)), [-3.0, 3.0, 0.25, -9.0])
    expected = torch.tensor([[limit, -limit, -0.25, limit]])
    assert torch.equal(state.latents["w"], expected)


def test_a_clamped_latent_can_come_back() -> None:
    """No gate: a latent at the limit still moves."""
    rule = StraightThrough(Sgd(1.0), limit=1.0, initial=Given())
    state = step(rule, rule.init(PARAMS, Stream(0)), [-3.0, 0.0, 0.0, 0.0])
    state = step(rule, state, [1.25, 0.0, 0.0, 0.0])
    assert float(state.latents["w"][0, 0]) == -0.25


def test_its_defaults_are_those_of_the_baseline() -> None:
    rule = StraightThrough()
    assert rule.optimizer == Adam(1e-2)
    assert rule.limit == 1.0
    assert rule.initial == Uniform(0.1)
    state = step(StraightThrough(initial=Given()), rule.init(PARAMS, Stream(0)), [1.0] * 4)
    start = rule.init(PARAMS, Stream(0)).latents["w"]
    torch.testing.assert_close(state.latents["w"], start - 0.01, rtol=0, atol=1e-6)


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_limit_is_positive(limit: float) -> None:
    with pytest.raises(ValueError, match=r"StraightThrough\.limit must be positive"):
        StraightThrough(limit=limit)
