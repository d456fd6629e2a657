"""posterior/exact: against sums over all sign vectors, and draws against their law."""

import pytest
import torch

from bayesnn_spike.posterior import Bernoulli, Exact
from bayesnn_spike.posterior.flat import flatten
from bayesnn_spike.posterior.table import weights_at
from bayesnn_spike.rng import Stream
from bayesnn_spike.weights import is_signs
from tests.ops import cases

SHAPES = {"a": (2, 2), "b": (3,)}
LOG_MASS = cases.normal(128, seed=1).double()
ALL = weights_at(torch.arange(128), SHAPES, dtype=torch.float64)
Q = LOG_MASS.softmax(0)
EXACT = Exact(LOG_MASS + 3.7, SHAPES)
BERNOULLI = Bernoulli({n: cases.normal(*s, seed=2).double() for n, s in SHAPES.items()})


def test_moments_and_entropy_are_sums() -> None:
    torch.testing.assert_close(EXACT.log_mass.exp(), Q)
    for name, weight in ALL.items():
        mean = torch.einsum("k,k...->...", Q, weight)
        torch.testing.assert_close(EXACT.mean()[name], mean[None].float())
        torch.testing.assert_close(EXACT.marginals()[name], (1 + mean) / 2)
        assert torch.equal(EXACT.mode()[name][0].double(), weight[Q.argmax()])
    torch.testing.assert_close(EXACT.entropy(), -(Q * Q.log()).sum())


def test_log_prob_is_the_table_in_any_order_of_draws_and_names() -> None:
    chosen = torch.tensor([5, 0, 127, 64, 5])
    weights = {name: ALL[name][chosen] for name in ("b", "a")}
    torch.testing.assert_close(EXACT.log_prob(weights), Q.log()[chosen])
    with pytest.raises(ValueError, match="missing \\['b'\\]"):
        EXACT.log_prob({"a": ALL["a"]})


def test_divergences_both_ways() -> None:
    other = BERNOULLI.log_prob(ALL)
    torch.testing.assert_close(EXACT.kl(BERNOULLI), (Q * (Q.log() - other)).sum())
    gap = EXACT.kl_from(BERNOULLI)
    torch.testing.assert_close(gap, (other.exp() * (other - Q.log())).sum())
    swapped = Bernoulli({name: BERNOULLI.logits[name] for name in ("b", "a")})
    torch.testing.assert_close(EXACT.kl_from(swapped), gap)
    product = Exact(other, SHAPES)
    assert abs(float(product.kl(BERNOULLI))) < 1e-12


def test_vectors_without_mass() -> None:
    """Never drawn, no part of the entropy; an approximation with mass there is infinitely off."""
    table = torch.full((128,), -torch.inf)
    table[[3, 90]] = torch.tensor([0.0, torch.tensor(3.0).log()])
    two = Exact(table, SHAPES)
    drawn = flatten(two.sample(4000, Stream(1)))
    expected = flatten(ALL)[[3, 90]].float()
    first = (drawn == expected[0]).all(1)
    assert bool((first | (drawn == expected[1]).all(1)).all())
    assert abs(float(first.double().mean()) - 0.25) < 5 * (0.1875 / 4000) ** 0.5
    torch.testing.assert_close(float(two.entropy()), 0.5623351446)
    assert float(two.kl_from(BERNOULLI)) == torch.inf
    assert float(two.kl(BERNOULLI)) < torch.inf


def test_draws_follow_the_table() -> None:
    """Every frequency at 5 sigma."""
    count = 100_000
    numbers = EXACT.log_prob(EXACT.sample(count, Stream(3)))
    order = EXACT.log_mass.argsort()
    places = order[torch.searchsorted(EXACT.log_mass[order], numbers)]
    found = torch.bincount(places, minlength=128) / count
    sigma = (Q * (1 - Q) / count).sqrt()
    assert bool(((found - Q).abs() < 5 * sigma).all())


def test_a_draw_is_the_same_in_every_chunk() -> None:
    whole = EXACT.sample(10, Stream(2))
    assert is_signs(whole["a"])
    assert not is_signs(whole["b"])
    rest = EXACT.sample(6, Stream(2), first=4)
    assert torch.equal(flatten(whole)[4:], flatten(rest))
    assert not torch.equal(flatten(whole), flatten(EXACT.sample(10, Stream(4))))


def test_guards() -> None:
    with pytest.raises(ValueError, match=r"log_mass must have shape \(128,\)"):
        Exact(LOG_MASS[:64], SHAPES)
    with pytest.raises(ValueError, match="24 weights are 2\\^24 networks"):
        Exact(LOG_MASS, {"a": (4, 6)})
    for bad in (torch.nan, torch.inf):
        with pytest.raises(ValueError, match="log masses must be numbers or -inf"):
            Exact(LOG_MASS.clone().index_fill_(0, torch.tensor([7]), bad), SHAPES)
    with pytest.raises(ValueError, match="total is -inf"):
        Exact(torch.full((128,), -torch.inf), SHAPES)
    with pytest.raises(ValueError, match="the Bernoulli has"):
        EXACT.kl(Bernoulli({"a": torch.zeros(4), "b": torch.zeros(3)}))
