"""posterior/joint: independent groups seen as one posterior."""

import pytest
import torch

from bayesnn_spike.posterior import Bernoulli, Joint, Point
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
