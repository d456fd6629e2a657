"""posterior/joint: independent groups seen as one posterior."""

import pytest
import torch

from bayesnn_spike.posterior import Bernoulli, Empirical, Exact, Gaussian, Joint, Point
from bayesnn_spike.posterior.flat import flatten
from bayesnn_spike.rng import Stream
from bayesnn_spike.weights import dense

BINARY = Bernoulli({"a": torch.tensor([0.5, -1.0]), "c": torch.tensor([0.1])})
REAL = Point({"b": torch.tensor([0.25])})
JOINT = Joint({"synapses": BINARY, "rest": REAL})


def test_draws_mode_and_mean_are_those_of_the_parts() -> None:
    sample = JOINT.sample(4, Stream(2), first=3)
    for part in (BINARY, REAL):
        for name, w in part.sample(4, Stream(2), first=3).items():
            assert torch.equal(dense(sample[name]), dense(w))
        for which in ("mode", "mean"):
            for name, w in getattr(part, which)().items():
                assert torch.equal(getattr(JOINT, which)()[name], w)
    assert set(sample) == {"a", "b", "c"}


def test_log_prob_is_the_sum() -> None:
    sample = JOINT.sample(4, Stream(2))
    expected = BINARY.log_prob({n: sample[n] for n in ("a", "c")})
    torch.testing.assert_close(JOINT.log_prob(sample), expected)
    sample["b"] = sample["b"].clone()
    sample["b"][1] = 0.0
    found = JOINT.log_prob(sample)
    assert torch.isinf(found).tolist() == [False, True, False, False]


def test_a_name_in_two_groups_is_refused() -> None:
    with pytest.raises(ValueError, match="parameter 'a' is in 'one' and in 'two'"):
        Joint({"one": BINARY, "two": Point({"a": torch.zeros(2)})})


FAIR = {
    "exact": lambda name: Exact(torch.zeros(8), {name: (3,)}),
    "bernoulli": lambda name: Bernoulli({name: torch.zeros(3)}),
    "gaussian": lambda name: Gaussian({name: torch.zeros(3)}, {name: torch.ones(3)}),
}


@pytest.mark.parametrize("first", FAIR)
@pytest.mark.parametrize("second", FAIR)
def test_draws_of_two_parts_are_not_correlated(first: str, second: str) -> None:
    """All 36 correlations of six weights, at five standard errors of 4000 draws; also nested."""
    parts = {"x": FAIR[first]("a"), "y": FAIR[second]("b")}
    nested = {"x": Joint({"deep": parts["x"]}), "y": parts["y"]}
    for one in (Joint(parts), Joint(nested)):
        rows = flatten(one.sample(4000, Stream(0))).double()
        found = torch.corrcoef(rows.T) - torch.eye(6)
        assert float(found.abs().max()) < 5 / 4000**0.5


def test_a_table_draws_by_the_names_it_has_and_alone_as_ever() -> None:
    """Neither the order of the groups nor their labels change a draw, nor does the chunk."""
    tables = {"x": FAIR["exact"]("a"), "y": FAIR["exact"]("b")}
    whole = flatten(Joint(tables).sample(10, Stream(2)))
    other = Joint({"second": tables["y"], "first": tables["x"]}).sample(10, Stream(2))
    assert torch.equal(flatten({n: other[n] for n in ("a", "b")}), whole)
    assert torch.equal(flatten(Joint(tables).sample(6, Stream(2), first=4)), whole[4:])
    alone = flatten(tables["x"].sample(8, Stream(2)))
    assert torch.equal(alone, flatten(FAIR["exact"]("renamed").sample(8, Stream(2))))


def test_ensembles_go_side_by_side_and_have_no_product_density() -> None:
    """Two groups of one deep ensemble: member i of one was trained with member i of the other."""
    one, other = (Empirical({n: torch.tensor([[1.0], [-1.0], [2.0]])}) for n in ("a", "b"))
    pair = Joint({"x": one, "y": other})
    sample = pair.sample(7, Stream(0))
    assert torch.equal(sample["a"], sample["b"])
    assert torch.equal(sample["a"][:3], one.weights["a"])
    with pytest.raises(ValueError, match=r"\['x', 'y'\] are ensembles .* one Empirical"):
        pair.log_prob(sample)
    single = Joint({"x": Empirical({"a": torch.ones(1, 1)}), "y": other})
    expected = torch.full((7,), 1 / 3).log()
    sample = single.sample(7, Stream(0))
    torch.testing.assert_close(single.log_prob(sample), expected)
