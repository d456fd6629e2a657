"""posterior/point: all mass on one network."""

import math

import pytest
import torch

from bayesnn_spike.posterior import Point
from bayesnn_spike.rng import Stream

WEIGHTS = {"a": torch.tensor([[1.0, -1.0]]), "b": torch.tensor([0.5])}


def test_every_draw_mode_and_mean_is_the_network() -> None:
    point = Point(WEIGHTS)
    for draw in (point.sample(3, Stream(0)), point.sample(3, Stream(1), first=7)):
        for name, w in WEIGHTS.items():
            assert torch.equal(draw[name], w.expand(3, *w.shape))
    for found in (point.mode(), point.mean()):
        assert all(torch.equal(found[name], w[None]) for name, w in WEIGHTS.items())


def test_log_prob_is_zero_at_the_network_and_nowhere_else() -> None:
    draws = {"a": torch.tensor([[[1.0, -1.0]], [[1.0, 1.0]], [[1.0, -1.0]]])}
    draws["b"] = torch.tensor([[0.5], [0.5], [0.4]])
    assert Point(WEIGHTS).log_prob(draws).tolist() == [0, -math.inf, -math.inf]


def test_other_names_are_refused() -> None:
    with pytest.raises(ValueError, match=r"missing \['b'\]"):
        Point(WEIGHTS).log_prob({"a": torch.ones(1, 1, 2)})
