"""learn/rules/bop: flips by hand, and the two limits of its threshold."""

import pytest
import torch

from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.rules import Bop
from bayesnn_spike.learn.rules.bop import BopState
from bayesnn_spike.learn.schedule import Cosine
from bayesnn_spike.rng import Stream


def state_of(weights: list[float], mean: list[float]) -> BopState:
    return BopState(
        {"w": torch.tensor([weights])},
        {"w": torch.tensor([mean])},
        torch.zeros((), dtype=torch.long),
    )


def step(rule: Bop, state: BopState, grads: list[float]) -> BopState:
    return rule.step(state, Draw({}, {}), Credit(torch.zeros(1), {"w": torch.tensor([grads])}))


def test_a_step_by_hand() -> None:
    """m = .75 m + .25 g; flips where |m| > .5 and m pushes against w."""
    state = state_of([1, 1, 1, -1, -1, -1], [0.0, 0.4, 0.0, 0.0, -1.0, 1.0])
    after = step(Bop(rate=0.25, threshold=0.5), state, [4.0, 0.8, -4.0, -4.0, 0.0, 0.0])
    assert after.mean["w"].tolist() == [[1.0, 0.5, -1.0, -1.0, -0.75, 0.75]]
    #    m against w  |m| = thr  with w   against  against  with w
    assert after.weights["w"].tolist() == [[-1, 1, 1, 1, 1, -1]]
    assert int(after.count) == 1


def test_threshold_zero_makes_the_weight_the_sign_of_the_mean() -> None:
    rule, generator = Bop(rate=0.1, threshold=0.0), Stream(0).generator()
    state = rule.init({"w": torch.ones(50)}, Stream(1))
    for _ in range(20):
        state = step(rule, state, torch.randn(50, generator=generator).tolist())
        assert torch.equal(state.weights["w"], -state.mean["w"].sign())


def test_a_high_threshold_never_flips() -> None:
    rule = Bop(rate=1.0, threshold=10.0)
    state = rule.init({"w": torch.ones(50)}, Stream(1))
    after = step(rule, state, [9.0] * 50)
    assert torch.equal(after.weights["w"], state.weights["w"])


def test_a_flip_is_not_undone_by_a_silent_gradient() -> None:
    """The mean keeps its sign: after the flip it agrees with the weight."""
    state = step(Bop(0.5, 0.1), state_of([1.0], [0.0]), [1.0])
    assert state.weights["w"].tolist() == [[-1.0]]
    for _ in range(5):
        state = step(Bop(0.5, 0.1), state, [0.0])
        assert state.weights["w"].tolist() == [[-1.0]]


def test_the_rate_may_follow_a_schedule() -> None:
    rule, state = Bop(Cosine(1.0, 2), 100.0), state_of([1.0], [0.0])
    for expected in (8.0, 12.0, 12.0):
        state = step(rule, state, [16.0 if int(state.count) else 8.0])
        torch.testing.assert_close(state.mean["w"], torch.tensor([[expected]]))


def test_it_starts_as_a_coin_flip() -> None:
    state = Bop().init({"w": torch.zeros(2000)}, Stream(2))
    assert set(state.weights["w"].unique().tolist()) == {-1.0, 1.0}
    assert abs(float(state.weights["w"].mean())) < 0.1
    assert not bool(state.mean["w"].any())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 1.5}, r"Bop.rate must lie in \[0.0, 1.0\], got 1.5"),
        ({"rate": -0.1}, "must be positive|Bop.rate must lie"),
        ({"rate": Cosine(2.0, 10)}, "Bop.rate must lie"),
        ({"threshold": -1e-9}, "Bop.threshold must be at least 0"),
        ({"threshold": float("nan")}, "Bop.threshold must be at least 0"),
    ],
)
def test_wrong_options_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Bop(**options)
