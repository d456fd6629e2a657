"""convert/thresholds/balance: options of the search, as values."""

import math

import pytest
import torch

from bayesnn_spike.convert import Maximum, NeuronOptions, Percentile
from bayesnn_spike.convert.trace import trace
from bayesnn_spike.encoding import Direct
from tests.convert.nets import chain, images


def test_both_are_one_search() -> None:
    x = images(20, 1, 8, 8)
    plan, rest = trace(chain(), x), (x, Direct(8), NeuronOptions())
    largest = Maximum().find(plan, *rest)
    assert Percentile(100).find(plan, *rest) == largest
    lower = Percentile(99.0, scale=0.5).find(plan, *rest)
    assert 0 < lower["relu1"] < 0.5 * largest["relu1"]
    assert all(value.dtype == torch.float32 for value in largest.values())
    fixed = Maximum(scale=0.1, fixed=(("relu3", 2.0),)).find(plan, *rest)
    assert float(fixed["relu3"]) == 2.0
    assert float(fixed["relu1"]) == pytest.approx(0.1 * float(largest["relu1"]))


def test_values_are_checked() -> None:
    assert Maximum(0.7) == Maximum(scale=0.7)
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="scale"):
            Maximum(wrong)
        with pytest.raises(ValueError, match="scale"):
            Percentile(99, wrong)
    for wrong in (0.0, 101.0, float("nan")):
        with pytest.raises(ValueError, match=r"Percentile\.q"):
            Percentile(wrong)
    for kind in (Maximum, Percentile):
        with pytest.raises(TypeError, match=rf"{kind.__name__}\..* must be a number, got 'a'"):
            kind("a")
    with pytest.raises(ValueError, match="scale must be positive and finite, got inf"):
        Maximum(math.inf)


@pytest.mark.parametrize(
    ("fixed", "kind", "text"),
    [
        ({"*": 1.0}, TypeError, r"pairs, got a mapping: give tuple\(given\.items\(\)\)"),
        (("*", 1.0), TypeError, r"pairs of a pattern and a threshold, as .*, got \('\*', 1\.0\)"),
        (((1.0, "*"),), TypeError, "pairs of a pattern and a threshold"),
        (1.0, TypeError, "pairs of a pattern and a threshold"),
        ((("*", "1"),), TypeError, r"the threshold of '\*' in .* must be a number, got '1'"),
        ((("a", 1.0), ("*", 0.0)), ValueError, r"the threshold of '\*' in .*finite, got 0\.0"),
        ((("*", math.nan),), ValueError, "positive and finite, got nan"),
    ],
)
def test_given_thresholds_are_checked(fixed: object, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        Maximum(fixed=fixed)
    with pytest.raises(kind, match=r"Percentile\.fixed"):
        Percentile(99.0, fixed=fixed)
    given = [["*", 2]]  # as a file gives it
    assert Maximum(fixed=given).fixed == given
