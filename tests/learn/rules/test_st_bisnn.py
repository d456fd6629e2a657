"""learn/rules/st_bisnn: v <- v - lr g at w = sign(v), nothing else."""

import torch

from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.initial import CoinFlip, Given
from bayesnn_spike.learn.rules import StBiSNN
from bayesnn_spike.learn.schedule import Cosine
from bayesnn_spike.rng import Stream


def test_latents_start_at_plus_or_minus_ten() -> None:
    rule = StBiSNN()
    state = rule.init({"w": torch.ones(40, 50)}, Stream(0))
    v = state.latents["w"]
    assert set(v.unique().tolist()) == {-10.0, 10.0}
    assert abs(float(v.mean())) < 1
    assert torch.equal(rule.draw(state, Stream(1)).weights["w"], v.sign())


def test_a_step_is_plain_descent_without_clamp_gate_or_momentum() -> None:
    rule = StBiSNN(750.0, Given())
    state = rule.init({"w": torch.tensor([10.0, -10.0, 10.0, 0.0])}, Stream(0))
    grads = {"w": torch.tensor([[0.02, 0.02, -0.04, 0.01]])}
    for expected in ([-5, -25, 40, -7.5], [-20, -40, 70, -15]):
        state = rule.step(state, Draw({}, {}), Credit(torch.zeros(1), grads))
        torch.testing.assert_close(state.latents["w"], torch.tensor([expected]).float())


def test_only_the_ratio_of_step_and_start_matters() -> None:
    """The signs of (lr, v0) and of (c lr, c v0) are the same for ever."""
    generator = Stream(3).generator()
    rules = StBiSNN(500.0, CoinFlip(5.0)), StBiSNN(2000.0, CoinFlip(20.0))
    states = [rule.init({"w": torch.ones(100)}, Stream(0)) for rule in rules]
    for _ in range(50):
        grads = {"w": 0.01 * torch.randn(1, 100, generator=generator)}
        states = [
            rule.step(state, Draw({}, {}), Credit(torch.zeros(1), grads))
            for rule, state in zip(rules, states, strict=True)
        ]
        one, two = (rule.posterior(s).weights["w"] for rule, s in zip(rules, states, strict=True))
        assert torch.equal(one, two)


def test_the_step_may_follow_a_schedule() -> None:
    rule = StBiSNN(Cosine(4.0, 2), Given())
    state = rule.init({"w": torch.tensor([10.0])}, Stream(0))
    for expected in (6.0, 4.0, 4.0):
        state = rule.step(state, Draw({}, {}), Credit(torch.zeros(1), {"w": torch.ones(1, 1)}))
        torch.testing.assert_close(state.latents["w"], torch.tensor([[expected]]))
