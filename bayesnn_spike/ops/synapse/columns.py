"""A convolution as a product of packed rows: what every output position sees, and signs by tap.

Channels of a tap fill whole words on both sides, so that rows are words put side by side.
Oracle: tests/ops/test_synapse_columns.py.
"""

import numpy as np

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._threads import parallel
from bayesnn_spike.ops.synapse.lists import Geometry, seen_from

_U64 = np.uint64


@jit
def _join(x, geometry, out, start, stop):
    """Rows of (k, b) start to stop: x `[K, B, P, T, W]` to out `[K, B, P', T, taps W]`, zeroed."""
    batch, words = x.shape[1], x.shape[4]
    places = np.empty(2 * geometry.kernel_height * geometry.kernel_width, np.int64)
    for index in range(start, stop):
        k, b = index // batch, index % batch
        for p in range(out.shape[2]):
            # With channels = size = 1 a shift is the tap.
            for i in range(seen_from(p, geometry, 1, 1, places)):
                place, tap = places[2 * i], places[2 * i + 1]
                for t in range(x.shape[3]):
                    for w in range(words):
                        out[k, b, p, t, tap * words + w] = x[k, b, place, t, w]


@jit
def _sort(words, taps, channels, out, start, stop):
    """Rows start to stop: signs in the order (channel, tap) into out `[K, M, taps W]`, zeroed."""
    outputs, per = words.shape[1], out.shape[2] // taps
    for index in range(start, stop):
        k, m = index // outputs, index % outputs
        for c in range(channels):
            for tap in range(taps):
                n = c * taps + tap
                bit = (words[k, m, n >> 6] >> _U64(n & 63)) & _U64(1)
                out[k, m, tap * per + (c >> 6)] |= bit << _U64(c & 63)


def columns(x: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Put side by side the words that every output position sees.

    Args:
        x: uint64 `[K, B, P, T, W]`.
        geometry: the convolution.

    Returns:
        uint64 `[K, B, P', T, taps * W]`.
    """
    if geometry.taps == geometry.positions == x.shape[2] == 1:
        return x
    shape = (*x.shape[:2], geometry.positions, x.shape[3], geometry.taps * x.shape[4])
    out = np.zeros(shape, _U64)
    parallel(lambda i, j: _join(x, geometry, out, i, j), len(x) * x.shape[1])
    return out


def signs_by_tap(words: np.ndarray, taps: int, channels: int) -> np.ndarray:
    """Sort packed signs `[K, M, ceil(N / 64)]`, N = channels * taps, into `[K, M, taps * W]`."""
    if taps == 1:
        return words
    out = np.zeros((*words.shape[:2], taps * -(-channels // 64)), _U64)
    rows = words.shape[0] * words.shape[1]
    parallel(lambda i, j: _sort(words, taps, channels, out, i, j), rows, least=64)
    return out
