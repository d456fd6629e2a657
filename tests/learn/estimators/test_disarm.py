"""learn/estimators/disarm: the pair by hand, and weights that are sure."""

import pytest
import torch

from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.estimators import Arm, DisArm, HardStraightThrough
from bayesnn_spike.rng import Stream

STREAM = Stream(3)
LOGITS = {"a": torch.tensor([0.4, -0.7, 2.0], dtype=torch.float64)}
PAIRS = {
    "a": torch.tensor(
        [[1, -1, 1], [-1, -1, 1], [1, 1, -1], [1, -1, 1]], dtype=torch.float64
    )  # pair 0 differs in weight 0, pair 1 in weights 1 and 2
}
CREDIT = Credit(torch.tensor([5.0, 2.0, 1.0, 4.0], dtype=torch.float64), {})


def test_two_pairs_by_hand() -> None:
    """The field's form: grad_theta = (f1 - f2)/2 * (-1)^b2 [b1 != b2] sigmoid(|theta|)."""
    found = DisArm(2).gradient(LOGITS, Draw(PAIRS, {}), CREDIT)["a"]
    values = LOGITS["a"]
    sigmoid = torch.sigmoid(2 * values.abs())
    to_mu = 2 / (1 - values.tanh() ** 2)  # d theta / d lambda over the Fisher information
    first = (5.0 - 2.0) / 2 * torch.tensor([1.0, 0.0, 0.0]).double() * sigmoid * to_mu
    second = (1.0 - 4.0) / 2 * torch.tensor([0.0, 1.0, -1.0]).double() * sigmoid * to_mu
    torch.testing.assert_close(found, (first + second) / 2)


def test_one_pair_is_averaged_with_others_like_single_ones() -> None:
    both = DisArm(2).gradient(LOGITS, Draw(PAIRS, {}), CREDIT)["a"]
    parts = [
        DisArm().gradient(
            LOGITS,
            Draw({"a": PAIRS["a"][rows]}, {}),
            Credit(CREDIT.losses[rows], {}),
        )["a"]
        for rows in (slice(0, 2), slice(2, 4))
    ]
    torch.testing.assert_close(both, torch.stack(parts).mean(0))


@pytest.mark.parametrize("kind", [Arm, DisArm])
def test_pairs_are_antithetic_and_each_is_an_exact_draw(kind: type) -> None:
    logits = {"a": torch.tensor([0.0, 0.5, -1.0, 3.0]).repeat(20_000, 1)}
    pairs = kind(1).draw(logits, STREAM).weights["a"]
    first, second = pairs
    hard = HardStraightThrough(1).draw(logits, STREAM).weights["a"].detach()[0]
    assert torch.equal(first, hard)
    mu = logits["a"][0].tanh()
    error = ((1 - mu**2) / 20_000).sqrt()
    for draws in (first, second):
        assert bool(((draws.mean(0) - mu).abs() < 5 * error).all())
    assert bool((first[:, 0] != second[:, 0]).all())  # lambda = 0: always opposite
    agree = (first == second).float().mean(0)
    wanted = mu.abs()  # 1 - 2 / (1 + exp(2 |lambda|))
    assert bool(((agree - wanted).abs() <= 5 * (wanted * (1 - wanted) / 20_000).sqrt()).all())


def test_weights_that_are_sure_get_no_gradient_and_no_nan() -> None:
    logits = {"a": torch.tensor([80.0, -80.0])}
    draw = DisArm().draw(logits, STREAM)
    found = DisArm().gradient(logits, draw, Credit(torch.tensor([1.0, 3.0]), {}))["a"]
    assert found.tolist() == [0.0, 0.0]
