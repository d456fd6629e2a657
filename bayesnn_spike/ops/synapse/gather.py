"""Real weights times sparse inputs: every active input adds one row of weights.

A unit of work is 32 outputs of one draw. Their weights, turned so that an input's are neighbours,
stay in the second-level cache while all rows go by, and their sums stay in registers. Four inputs
are added at a time, in ascending order: the sums do not depend on the number of threads.
Oracle: tests/ops/test_synapse_gather.py.
"""

import numpy as np

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import get, load_floats, splat_float, store, transpose_tile
from bayesnn_spike.ops._threads import parallel
from bayesnn_spike.ops.synapse.events import Lists

_F32 = np.float32
# Outputs of a unit: two vectors.
LANES = 32
# Units of work that keep every thread busy.
UNITS = 16


@jit
def turn(x, first, some, out):
    """Rows first to first + some (at most 32) of x `[M, N]` into out `[N * 32]`, by column."""
    inputs, flat = x.shape[1], x.reshape(-1)
    done = inputs // 8 * 8 if some == LANES else 0
    for n in range(0, done, 8):
        for j in range(0, LANES, 8):
            transpose_tile(flat, (first + j) * inputs + n, inputs, out, LANES * n + j, LANES)
    for n in range(done, inputs):
        for j in range(LANES):
            out[LANES * n + j] = x[first + j, n] if j < some else _F32(0)


@jit
def _sum_ones(weights, places, start, stop, out, at):
    """Add the rows of weights `[N * 32]` that a list names; all values are 1."""
    a, b = splat_float(_F32(0)), splat_float(_F32(0))
    e = start
    while e + 4 <= stop:
        p, q = LANES * np.int64(get(places, e)), LANES * np.int64(get(places, e + 1))
        r, s = LANES * np.int64(get(places, e + 2)), LANES * np.int64(get(places, e + 3))
        ab = load_floats(weights, p) + load_floats(weights, q)
        a = a + (ab + (load_floats(weights, r) + load_floats(weights, s)))
        ab = load_floats(weights, p + 16) + load_floats(weights, q + 16)
        b = b + (ab + (load_floats(weights, r + 16) + load_floats(weights, s + 16)))
        e += 4
    while e < stop:
        p = LANES * np.int64(get(places, e))
        a, b = a + load_floats(weights, p), b + load_floats(weights, p + 16)
        e += 1
    store(out, at, a)
    store(out, at + 16, b)


@jit
def _sum_values(weights, places, values, start, stop, out, at):
    """As `_sum_ones`, each row times its value."""
    a, b = splat_float(_F32(0)), splat_float(_F32(0))
    e = start
    while e + 4 <= stop:
        p, q = LANES * np.int64(get(places, e)), LANES * np.int64(get(places, e + 1))
        r, s = LANES * np.int64(get(places, e + 2)), LANES * np.int64(get(places, e + 3))
        v, w = splat_float(get(values, e)), splat_float(get(values, e + 1))
        x, y = splat_float(get(values, e + 2)), splat_float(get(values, e + 3))
        ab = v * load_floats(weights, p) + w * load_floats(weights, q)
        a = a + (ab + (x * load_floats(weights, r) + y * load_floats(weights, s)))
        ab = v * load_floats(weights, p + 16) + w * load_floats(weights, q + 16)
        b = b + (ab + (x * load_floats(weights, r + 16) + y * load_floats(weights, s + 16)))
        e += 4
    while e < stop:
        p, v = LANES * np.int64(get(places, e)), splat_float(get(values, e))
        a, b = a + v * load_floats(weights, p), b + v * load_floats(weights, p + 16)
        e += 1
    store(out, at, a)
    store(out, at + 16, b)


@jit
def _forward(starts, places, values, weight, out, chunks, start, stop):
    """weight `[K, M, N]`, out `[K, R, M]`; lists of R rows, or of K R where draws have their own.

    Units of work are (k, block of outputs, chunk of rows).
    """
    rows, outputs = out.shape[1], out.shape[2]
    blocks, own = (outputs + LANES - 1) // LANES, starts.size - 1 > rows
    turned, sums = np.empty(weight.shape[2] * LANES, np.float32), np.empty(LANES, np.float32)
    flat, have = out.reshape(-1), -1
    for index in range(start, stop):
        unit, chunk = index // chunks, index % chunks
        k, first = unit // blocks, unit % blocks * LANES
        some = min(LANES, outputs - first)
        if unit != have:
            turn(weight[k], first, some, turned)
            have = unit
        for r in range(rows * chunk // chunks, rows * (chunk + 1) // chunks):
            row = k * rows + r if own else r
            e, last = get(starts, row), get(starts, row + 1)
            at = (k * rows + r) * outputs + first
            target, to = (flat, at) if some == LANES else (sums, 0)
            if values.size:
                _sum_values(turned, places, values, e, last, target, to)
            else:
                _sum_ones(turned, places, e, last, target, to)
            if some < LANES:
                for j in range(some):
                    flat[at + j] = sums[j]


def gather(lists: Lists, weight: np.ndarray, rows: int) -> np.ndarray:
    """Sum the weights of the active inputs of every row.

    Args:
        lists: active inputs of R rows (shared by all draws), or of K R rows.
        weight: float32 `[K, M, N]`.
        rows: R.

    Returns:
        float32 `[K, R, M]`.
    """
    draws, outputs, _ = weight.shape
    out = np.empty((draws, rows, outputs), _F32)
    units = draws * -(-outputs // LANES)
    chunks = chunks_of(units, rows)
    parallel(lambda i, j: _forward(*lists, weight, out, chunks, i, j), units * chunks)
    return out


def chunks_of(units: int, count: int) -> int:
    """Into how many parts `count` steps of a unit are cut, so that there are units enough."""
    return max(1, min(-(-UNITS // max(units, 1)), count // 64))
