"""The gradient of the weights, event by event: every active input collects the row's cotangent.

    dL/dw[m, n] = sum over the rows r in which input n is active of x[r, n] g[r, m]

A unit of work is 32 outputs of one draw. Their cotangents stay in the second-level cache while all
inputs go by. Rows are added in ascending order: the sums do not depend on the number of threads.
Oracle: tests/ops/test_synapse_scatter.py.
"""

import numpy as np

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import get, load_floats, splat_float, store, transpose_tile
from bayesnn_spike.ops._threads import parallel
from bayesnn_spike.ops.synapse.events import Lists
from bayesnn_spike.ops.synapse.gather import LANES, chunks_of

_F32 = np.float32
# Inputs whose sums are turned and written together.
_TILE = 64


@jit
def _collect(cotangents, starts, places, values, i, out, at):
    """Sum cotangents `[R * 32]` over list i."""
    a, b = splat_float(_F32(0)), splat_float(_F32(0))
    first, last = get(starts, i), get(starts, i + 1)
    if values.size:
        for e in range(first, last):
            p, v = LANES * np.int64(get(places, e)), splat_float(get(values, e))
            a = a + v * load_floats(cotangents, p)
            b = b + v * load_floats(cotangents, p + 16)
    else:
        for e in range(first, last):
            p = LANES * np.int64(get(places, e))
            a = a + load_floats(cotangents, p)
            b = b + load_floats(cotangents, p + 16)
    store(out, at, a)
    store(out, at + 16, b)


@jit
def _write(tile, some, count, flat, at, inputs):
    """Sums of `count` inputs, tile `[count * 32]`, into rows `inputs` apart from `at` on."""
    done = count // 8 * 8 if some == LANES else 0
    for i in range(0, done, 8):
        for j in range(0, LANES, 8):
            transpose_tile(tile, LANES * i + j, LANES, flat, at + j * inputs + i, inputs)
    for i in range(done, count):
        for j in range(some):
            flat[at + j * inputs + i] = tile[LANES * i + j]


@jit
def _backward(starts, places, values, grad, scale, out, chunks, start, stop):
    """scale * grad `[K, R, M]`, out `[K, M, N]`; lists of N inputs, or of K N of every draw.

    Units of work are (k, block of outputs, chunk of inputs).
    """
    rows, outputs, inputs = grad.shape[1], grad.shape[2], out.shape[2]
    blocks, own = (outputs + LANES - 1) // LANES, starts.size - 1 > inputs
    block, tile = np.empty(rows * LANES, np.float32), np.empty(_TILE * LANES, np.float32)
    flat, have, tiles = out.reshape(-1), -1, (inputs + _TILE - 1) // _TILE
    for index in range(start, stop):
        unit, chunk = index // chunks, index % chunks
        k, first = unit // blocks, unit % blocks * LANES
        some = min(LANES, outputs - first)
        if unit != have:
            for r in range(rows):
                row, held = grad[k, r, first : first + some], block[LANES * r : LANES * (r + 1)]
                for j in range(row.size):
                    held[j] = scale * row[j]
                for j in range(row.size, LANES):
                    held[j] = _F32(0)
            have = unit
        for t in range(tiles * chunk // chunks, tiles * (chunk + 1) // chunks):
            n = t * _TILE
            count = min(_TILE, inputs - n)
            base = k * inputs + n if own else n
            for i in range(count):
                _collect(block, starts, places, values, base + i, tile, LANES * i)
            _write(tile, some, count, flat, (k * outputs + first) * inputs + n, inputs)


def scatter(lists: Lists, grad: np.ndarray, inputs: int, scale: float = 1.0) -> np.ndarray:
    """Sum the cotangents of the rows in which every input is active.

    Args:
        lists: rows of N inputs (shared by all draws), or of K N inputs, numbered draw by draw.
        grad: float32 `[K, R, M]`.
        inputs: N.
        scale: multiplies the cotangents.

    Returns:
        float32 `[K, M, N]`.
    """
    draws, _, outputs = grad.shape
    out = np.empty((draws, outputs, inputs), _F32)
    units = draws * -(-outputs // LANES)
    chunks = chunks_of(units, inputs)
    parallel(lambda i, j: _backward(*lists, grad, _F32(scale), out, chunks, i, j), units * chunks)
    return out
