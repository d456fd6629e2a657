"""ops/synapse/straight_cpu: signs of real weights, packed and sorted by input."""

import numpy as np
import pytest

from bayesnn_spike.ops.synapse.rows import rows_by_input
from bayesnn_spike.ops.synapse.straight_cpu import signs_by_input
from tests.ops import packed
from tests.ops.test_synapse_gather import numbers


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (1, 33, 63), (2, 128, 64), (3, 130, 200), (1, 600, 5)]
)
def test_they_are_the_rows_of_packed_signs(shape) -> None:
    weight = numbers(*shape, key=5)
    weight[0, 0, 0] = -0.0
    words = packed.pack(weight >= 0).reshape(*shape[:2], -1)
    expected = rows_by_input(words, shape[2], together=False)
    assert np.array_equal(signs_by_input(weight), expected)
