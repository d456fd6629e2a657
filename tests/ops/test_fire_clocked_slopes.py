"""ops/fire/clocked_slopes: a clock that is moved step by step, and the slopes it shows."""

import numpy as np
import pytest

from bayesnn_spike.ops.fire.clocked_slopes import tables, write_slopes


def walked(bits: np.ndarray, dt: np.ndarray, slopes: np.ndarray, steps: int):
    """Slopes `[steps, R]` and the last clocks, one step after the other."""
    dt, found = dt.copy(), np.empty((steps, len(dt)), np.float32)
    for s in range(steps):
        found[s] = slopes[np.minimum(dt, len(slopes) - 1)]
        dt = np.where(bits >> s & 1, 1, dt + 1)
    return found, dt


@pytest.mark.parametrize("size", [1, 2, 5, 40])
@pytest.mark.parametrize("steps", [1, 5, 8])
@pytest.mark.parametrize("neurons", [1, 8, 300])
def test_every_byte_moves_the_clock(size: int, steps: int, neurons: int) -> None:
    rng = np.random.Generator(np.random.Philox(key=size + steps))
    slopes = rng.normal(size=size).astype(np.float32)
    bits = (np.arange(neurons) % 256).astype(np.uint8) & np.uint8((1 << steps) - 1)
    dt = rng.integers(0, 60, neurons).astype(np.int32)
    expected, last = walked(bits, dt, slopes, steps)
    out = np.full(3 + steps * (neurons + 2), np.nan, np.float32)
    write_slopes(bits, dt, tables(slopes), steps, out, 3, neurons + 2)
    assert np.array_equal(out[3:].reshape(steps, -1)[:, :neurons], expected)
    assert np.isnan(out[3:].reshape(steps, -1)[:, neurons:]).all()
    if steps == 8:
        ends = size - 1  # clocks beyond the table are as good as any other
        assert np.array_equal(np.minimum(dt, ends), np.minimum(last, ends))
