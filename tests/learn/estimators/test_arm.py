"""learn/estimators/arm: the published form by hand, and what it has over and under DisARM."""

import torch

from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.estimators import Arm, DisArm
from bayesnn_spike.ops.draw import random_bits
from bayesnn_spike.rng import Stream

STREAM = Stream(3)
LOGITS = {"a": torch.tensor([0.4, -0.7, 2.0], dtype=torch.float64)}


def test_a_pair_by_hand() -> None:
    """grad_theta = (f([u > s(-theta)]) - f([u < s(theta)])) (u - 1/2), theta = 2 lambda."""
    draw = Arm(2).draw(LOGITS, STREAM)
    u = (random_bits((3,), stream=STREAM.child("a"), draws=2).double() + 0.5) / 2**31
    theta = 2 * LOGITS["a"]
    first, second = 2.0 * (u > torch.sigmoid(-theta)) - 1, 2.0 * (u < torch.sigmoid(theta)) - 1
    assert torch.equal(draw.weights["a"][::2], first.double())
    assert torch.equal(draw.weights["a"][1::2], second.double())
    losses = torch.tensor([5.0, 2.0, 1.0, 4.0], dtype=torch.float64)
    found = Arm(2).gradient(LOGITS, draw, Credit(losses, {}))["a"]
    by_theta = (losses[::2] - losses[1::2])[:, None] * (u - 0.5)
    wanted = (by_theta * 2 / (1 - LOGITS["a"].tanh() ** 2)).mean(0)
    torch.testing.assert_close(found, wanted)


def test_disarm_is_its_mean_given_the_pair() -> None:
    """Of the noise alone: among draws with the same pair, ARM averages to DisARM."""
    logits = {"a": torch.full((200_000,), 0.6, dtype=torch.float64)}
    draw = Arm().draw(logits, STREAM)
    cost = Credit(torch.tensor([3.0, 1.0], dtype=torch.float64), {})
    arm = Arm().gradient(logits, draw, cost)["a"]
    disarm = DisArm().gradient(logits, Draw(draw.weights, {}), cost)["a"]
    first, second = draw.weights["a"]
    for pair in ((1, 1), (1, -1), (-1, 1)):
        same = (first == pair[0]) & (second == pair[1])
        error = float(arm[same].std()) / int(same.sum()) ** 0.5
        assert int(same.sum()) > 1000
        assert abs(float(arm[same].mean() - disarm[same].mean())) < 5 * error
        assert float(disarm[same].std()) < 1e-12


def test_equal_losses_say_nothing_of_the_surest_weight() -> None:
    logits = {"a": torch.tensor([60.0, -60.0, 0.5])}
    draw = Arm().draw(logits, STREAM)
    found = Arm().gradient(logits, draw, Credit(torch.tensor([2.0, 2.0]), {}))["a"]
    assert torch.equal(found, torch.zeros(3))
