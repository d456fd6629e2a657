"""Slopes of `SpikeTime` from spikes as bits, eight steps of a neuron at once.

What a neuron's clock shows in the eight steps of a byte follows from the clock before and the byte:
up to its first spike the slopes lie in a row in the table of slopes, and behind it they are one
of 256 rows. So there are two rows of eight to choose from, and no place of a table to compute for
every step. Oracle: tests/ops/test_fire_clocked_slopes.py.
"""

from functools import cache

import numpy as np

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import choose_eight, get, put, transpose_tile

_F32, _I32 = np.float32, np.int32


def tables(slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Everything that `write_slopes` looks up.

    Args:
        slopes: float32, for clocks 0, 1, ...; the last one stands for all that follow.

    Returns:
        The slopes with the last one repeated; the slopes behind the first spike of each byte,
        float32 `[256 * 8]`; where those count, int32 `[256 * 8]`; and the clock after each byte.
    """
    longer = np.concatenate([slopes, np.full(8, slopes[-1], _F32)])
    clocks, last = _clocks_of_bytes()
    after = slopes[np.minimum(clocks, len(slopes) - 1)]
    return longer, after, (clocks > 0).astype(_I32), last


@cache
def _clocks_of_bytes() -> tuple[np.ndarray, np.ndarray]:
    """The clock at every step of every byte, flat, 0 up to its first spike; and that after it."""
    byte, clock = np.arange(256), np.zeros((9, 256), _I32)
    for step in range(8):
        later = np.where(clock[step] > 0, clock[step] + 1, 0)
        clock[step + 1] = np.where(byte >> step & 1, 1, later)
    return np.ascontiguousarray(clock[:8].T).reshape(-1), clock[8].copy()


@jit
def write_slopes(bits, dt, looked_up, steps, out, at, jump):
    """Write the slopes of eight steps of some neurons; `dt` becomes the clock after them.

    Args:
        bits: uint8 `[R]`, the spikes of the steps.
        dt: int32 `[R]`, the clock at the first of them.
        looked_up: of `tables`.
        steps: how many of the eight there are.
        out: float32, flat; step s of neuron r goes to out[at + jump s + r].
    """
    table, after, counts, clock = looked_up
    end, count = _I32(table.size - 9), dt.size
    square = np.empty(64, np.float32)
    for r in range(0, count, 8):
        some = min(8, count - r)
        for i in range(some):
            b, d = get(bits, r + i), min(get(dt, r + i), end)
            choose_eight(table, d, after, counts, 8 * np.int64(b), square, 8 * i)
            put(dt, r + i, get(clock, b) if b else d + _I32(8))
        if some == 8 and steps == 8:
            transpose_tile(square, 0, 8, out, at + r, jump)
        else:
            for s in range(steps):
                for i in range(some):
                    out[at + jump * s + r + i] = square[8 * i + s]
