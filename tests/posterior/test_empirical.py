"""posterior/empirical: a finite set of networks with equal mass."""

import math

import pytest
import torch

from bayesnn_spike.posterior import Empirical
from bayesnn_spike.rng import Stream

WEIGHTS = {"a": torch.tensor([[1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]), "b": torch.arange(3.0)}


def test_draws_go_through_the_members_in_order() -> None:
    posterior = Empirical(WEIGHTS)
    assert posterior.members == 3
    for stream in (Stream(0), Stream(1)):
        assert posterior.sample(7, stream)["b"].tolist() == [0, 1, 2, 0, 1, 2, 0]
        assert posterior.sample(2, stream, first=5)["b"].tolist() == [2, 0]
    assert torch.equal(posterior.sample(3, Stream(0))["a"], WEIGHTS["a"])


def test_mode_and_mean() -> None:
    posterior = Empirical(WEIGHTS)
    assert posterior.mode()["a"].tolist() == [[1, -1]]
    torch.testing.assert_close(posterior.mean()["a"], torch.tensor([[1 / 3, 1 / 3]]))
    assert posterior.mean()["b"].tolist() == [1]


def test_log_prob_counts_the_members() -> None:
    twice = Empirical({"a": torch.tensor([[1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, -1.0]])})
    draws = {"a": torch.tensor([[1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0]])}
    assert twice.log_prob(draws).exp().tolist() == pytest.approx([0.5, 0.25, 0])
    assert twice.log_prob(draws)[2] == -math.inf


def test_members_agree_over_all_leaves() -> None:
    """A network made of one member's `a` and another's `b` has no mass."""
    draws = {"a": WEIGHTS["a"][:2], "b": torch.tensor([0.0, 2.0])}
    assert Empirical(WEIGHTS).log_prob(draws).exp().tolist() == pytest.approx([1 / 3, 0])


@pytest.mark.parametrize(
    "weights", [{}, {"a": torch.ones(2, 3), "b": torch.ones(3)}, {"a": torch.ones(0, 3)}]
)
def test_leaves_of_different_length_or_none_are_refused(weights: dict) -> None:
    with pytest.raises(ValueError, match="an ensemble needs leaves of one length, at least 1"):
        Empirical(weights)
