"""convert/thresholds/largest: an exact percentile, whatever the order and the parts."""

import math
from fractions import Fraction

import pytest
import torch

from bayesnn_spike.convert.thresholds.largest import Largest


@pytest.mark.parametrize("percentile", [100.0, 99.9, 99.7, 90.0, 50.0, 12.5, 0.05])
@pytest.mark.parametrize("parts", [1, 3, 50])
def test_equals_the_sorted_numbers(percentile: float, parts: int) -> None:
    values = torch.randn(2000, generator=torch.Generator().manual_seed(3))
    rank = math.ceil(Fraction(str(percentile)) * len(values) / 100)
    expected = float(values.sort().values[rank - 1])
    for order in (values, values.flip(0), values.sort().values):
        found = Largest(len(order), percentile)
        for part in order.chunk(parts):
            found.add(part.reshape(-1, 1))
        assert found.value() == expected


def test_by_hand() -> None:
    """Of 1 to 1000, 99.9 % do not exceed 999, and all do not exceed 1000."""
    for percentile, expected in ((99.9, 999), (99.91, 1000), (100, 1000), (0.1, 1), (0.2, 2)):
        found = Largest(1000, percentile)
        found.add(torch.arange(1.0, 1001.0))
        assert found.value() == expected


def test_equal_numbers_are_counted_as_often_as_they_come() -> None:
    found = Largest(8, 75.0)
    for _ in range(4):
        found.add(torch.tensor([5.0, 0.0]))
    assert found.value() == 5
    found = Largest(8, 50.0)
    for _ in range(4):
        found.add(torch.tensor([5.0, 0.0]))
    assert found.value() == 0
