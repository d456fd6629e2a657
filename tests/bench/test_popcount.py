"""The loop of the packed roofline really multiplies."""

import numpy as np

from bayesnn_spike.bench.popcount import Operands


def test_the_loop_counts_common_bits() -> None:
    operands = Operands.make()
    operands.run(3)
    rows = np.unpackbits(operands.rows.view(np.uint8)).reshape(2, -1).astype(np.int64)
    columns = np.unpackbits(operands.columns.view(np.uint8)).reshape(2, -1).astype(np.int64)
    np.testing.assert_array_equal(operands.counts(), 3 * rows @ columns.T)
    assert Operands.macs(3) == 3 * 2 * 2 * rows.shape[1]
