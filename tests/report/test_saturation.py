"""Shares of settled weights and entropies, against closed forms."""

import math

import pytest
import torch

from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.report.saturation import entropy_map, saturation, settled_logit
from tests.ops import cases


def test_the_limit_has_the_probability_it_is_named_by() -> None:
    for flip in (1e-6, 1e-3, 0.2):
        found = 1 / (1 + math.exp(2 * settled_logit(flip)))
        assert found == pytest.approx(flip)


def test_layers_in_four_numbers() -> None:
    limit = settled_logit(0.01)
    logits = torch.tensor([0.0, -1.2 * limit, 1.1 * limit, 0.9 * limit, 50.0])
    first, second = saturation(Bernoulli({"a": logits, "b": torch.zeros(3, 2)}), flip=0.01)
    assert (first.name, first.weights, first.settled) == ("a", 5, pytest.approx(0.6))
    assert first.median == pytest.approx(1.1 * limit)
    assert first.flip == 0.01
    assert (second.weights, second.settled, second.median) == (6, 0.0, 0.0)
    assert second.entropy == pytest.approx(math.log(2))
    assert "60.0 % of 5 weights settled (rarer sign below 0.01)" in str(first)


def test_entropies_are_those_of_the_posterior() -> None:
    logits = cases.normal(4, 2, 3, 3, seed=1) * 3
    found = entropy_map(logits)
    assert found.shape == (4, 2, 3, 3)
    expected = Bernoulli({"w": logits.double()}).entropy()
    torch.testing.assert_close(found.sum(), expected.double())
    p = torch.sigmoid(2 * logits.double())
    torch.testing.assert_close(found, -(p * p.log() + (1 - p) * (1 - p).log()))
    wide = entropy_map(torch.tensor([400.0, -400.0, 0.0]))
    torch.testing.assert_close(wide, torch.tensor([0.0, 0.0, math.log(2)], dtype=torch.float64))


@pytest.mark.parametrize("flip", [0.0, 0.5, 0.6, -1.0, float("nan")])
def test_a_limit_that_is_none_is_refused(flip: float) -> None:
    with pytest.raises(ValueError, match="flip must lie"):
        settled_logit(flip)


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="logits has 1 values that are not finite"):
        entropy_map(torch.tensor([0.0, math.inf]))
