"""Cotangents times signs without a product a weight: sums of four are looked up.

    dL/dx[r, n] = sum_m g[r, m] s[m, n],  s = +-1

Four outputs have sixteen combinations of signs. Their sums are written into a table once for 16
rows, and each input looks its own up by four bits of its signs: one addition for four weights.
The order of the sum is fixed by the outputs. Oracle: tests/ops/test_synapse_tables.py.
"""

import numpy as np

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import get, load_floats, splat_float, store, transpose_tile
from bayesnn_spike.ops._threads import parallel

_U64, _F32 = np.uint64, np.float32
# Rows of a unit: a vector.
_ROWS = 16


@jit
def _by_word(rows, out, start, stop):
    """Signs `[K, NB, N + 1, bw]` into out `[K, NB * bw, N]`; draws start to stop."""
    for k in range(start, stop):
        for block in range(rows.shape[1]):
            for n in range(out.shape[2]):
                for w in range(rows.shape[3]):
                    out[k, block * rows.shape[3] + w, n] = rows[k, block, n, w]


@jit
def _cotangents(grad, scale, first, some, lane, out):
    """Scaled cotangents of the 64 outputs of a word, in the order of its bits, 16 rows each."""
    outputs, flat = grad.shape[1], grad.reshape(-1)
    m0 = 128 * (lane // 2) + 8 * (lane % 2)
    if some == _ROWS and m0 + 120 <= outputs:
        for r in range(8):
            for half in range(0, _ROWS, 8):
                at = (first + half) * outputs + m0 + 16 * r
                transpose_tile(flat, at, outputs, out, 16 * r + half, 128)
        for i in range(out.size):
            out[i] *= scale
        return
    for bit in range(64):
        m = m0 + 16 * (bit % 8) + bit // 8
        for i in range(_ROWS):
            inside = i < some and m < outputs
            out[_ROWS * bit + i] = scale * grad[first + i, m] if inside else _F32(0)


@jit
def _fill(g, table):
    """Sums of every four of 64 cotangents g `[64, 16]`: table `[16, 16, 16]` (four, signs, row)."""
    zero = splat_float(_F32(0))
    for q in range(16):
        a, b = load_floats(g, 64 * q), load_floats(g, 64 * q + 16)
        c, d = load_floats(g, 64 * q + 32), load_floats(g, 64 * q + 48)
        both, other = a + b, a - b
        for high in range(4):
            h = zero - (c + d)
            if high == 1:
                h = c - d
            elif high == 2:
                h = d - c
            elif high == 3:
                h = c + d
            at = 256 * q + 64 * high
            store(table, at, h - both)
            store(table, at + 16, h + other)
            store(table, at + 32, h - other)
            store(table, at + 48, h + both)


@jit
def _look_up(table, word, v):
    """Add to v the sixteen entries that a word names."""
    for k in range(0, 4096, 1024):
        a = load_floats(table, k + np.int64((word & _U64(15)) << _U64(4)))
        b = load_floats(table, k + 256 + np.int64(word & _U64(240)))
        c = load_floats(table, k + 512 + np.int64((word >> _U64(4)) & _U64(240)))
        d = load_floats(table, k + 768 + np.int64((word >> _U64(8)) & _U64(240)))
        v = v + ((a + b) + (c + d))
        word = word >> _U64(16)
    return v


@jit
def _multiply(words, grad, scale, out, start, stop):
    """words `[K, LW, N]`, scale * grad `[K, R, M]`, out `[D, R, N]`; units are (d, 16 rows)."""
    draws, lanes, inputs = words.shape
    rows, outputs = grad.shape[1], grad.shape[2]
    per, own = (rows + _ROWS - 1) // _ROWS, len(out) == draws
    sums = np.empty(_ROWS * inputs, np.float32)
    table, g = np.empty(4096, np.float32), np.empty(64 * _ROWS, np.float32)
    flat, target = words.reshape(-1), out.reshape(-1)
    for index in range(start, stop):
        d, first = index // per, index % per * _ROWS
        some = min(_ROWS, rows - first)
        sums[:] = _F32(0)
        for k in range(d if own else 0, d + 1 if own else draws):
            for lane in range(lanes):
                if 128 * (lane // 2) + 8 * (lane % 2) >= outputs:
                    continue
                _cotangents(grad[k], scale, first, some, lane, g)
                _fill(g, table)
                base = (k * lanes + lane) * inputs
                for n in range(inputs):
                    v = _look_up(table, get(flat, base + n), load_floats(sums, _ROWS * n))
                    store(sums, _ROWS * n, v)
        done = inputs // 8 * 8 if some == _ROWS else 0
        at = (d * rows + first) * inputs
        for n in range(0, done, 8):
            for half in range(0, _ROWS, 8):
                transpose_tile(
                    sums, _ROWS * n + half, _ROWS, target, at + half * inputs + n, inputs
                )
        for i in range(some):
            for n in range(done, inputs):
                target[at + i * inputs + n] = sums[_ROWS * n + i]


def by_word(rows: np.ndarray) -> np.ndarray:
    """Signs `[K, NB, N + 1, bw]`, by input, as words of 64 outputs `[K, NB bw, N]`."""
    count, blocks, inputs, size = rows.shape
    words = np.empty((count, blocks * size, inputs - 1), _U64)
    parallel(lambda i, j: _by_word(rows, words, i, j), count, least=8)
    return words


def multiply(rows: np.ndarray, grad: np.ndarray, draws: int, scale: float = 1.0) -> np.ndarray:
    """Multiply cotangents with signs.

    Args:
        rows: uint64 `[K, NB, N + 1, bw]`, signs by input (`rows_by_input`, draws apart).
        grad: float32 `[K, R, M]`.
        draws: of the result: K, or 1 for the sum over all draws.
        scale: multiplies the cotangents.

    Returns:
        float32 `[draws, R, N]`.
    """
    words = by_word(rows)
    out = np.empty((draws, grad.shape[1], words.shape[2]), _F32)
    units = draws * -(-grad.shape[1] // _ROWS)
    parallel(lambda i, j: _multiply(words, grad, _F32(scale), out, i, j), units)
    return out
