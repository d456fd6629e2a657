"""Options of a neuron that are no such value, and what is said: for every door they come in by."""

import pytest

from bayesnn_spike.neurons import Delayed

OF_ANOTHER_KIND = pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": "delayed"}, r"order must be Immediate\(\) or Delayed\(\), got 'delayed'"),
        ({"order": Delayed}, "got the class Delayed itself"),
        ({"surrogate": "x"}, r"surrogate must be LinearRatio\(\) or SpikeTime\(\), got 'x'"),
        ({"comparison": "x"}, r"comparison must be Above\(\) or AtOrAbove\(\), got 'x'"),
    ],
)
