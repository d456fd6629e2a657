"""convert/thresholds/balance: options of the search, as values."""

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
