"""Which inputs are active: packed words, lists by row, and lists by input.

A row is one example at one time step. Forward passes go through a row's inputs, weight gradients
through an input's rows; both in ascending order, so that sums have one order whatever the number
of threads. Oracle: tests/ops/test_synapse_events.py.
"""

from typing import NamedTuple

import numpy as np

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import (
    differs,
    get,
    load_floats,
    popcount_word,
    put,
    splat_float,
    trailing_zeros,
)
from bayesnn_spike.ops._threads import parallel
from bayesnn_spike.ops.bits import words_for
from bayesnn_spike.ops.synapse.rows import transpose_square

_U64, _F32, _I32 = np.uint64, np.float32, np.int32


class Lists(NamedTuple):
    """Places of what is active, one list after the other, ascending.

    Attributes:
        starts: int64, list i is entries starts[i] to starts[i + 1].
        places: int32.
        values: float32 of every entry, or empty: all are 1.
    """

    starts: np.ndarray
    places: np.ndarray
    values: np.ndarray


NO_VALUES = np.empty(0, _F32)


@jit
def _pack(x, words, counts, binary, start, stop):
    """Rows start to stop of x `[R, N]`: words of what is not 0; binary[r] if all others are 1."""
    inputs = x.shape[1]
    zero, one = splat_float(_F32(0)), splat_float(_F32(1))
    for r in range(start, stop):
        row, bad, total = x[r], _U64(0), 0
        for w in range(words.shape[1]):
            word, first = _U64(0), 64 * w
            if first + 64 <= inputs:
                for quarter in range(4):
                    values = load_floats(row, first + 16 * quarter)
                    bits = differs(values, zero)
                    bad |= bits & differs(values, one)
                    word |= bits << _U64(16 * quarter)
            else:
                for j in range(inputs - first):
                    bad |= _U64((row[first + j] != 0) & (row[first + j] != 1))
                    word |= _U64(row[first + j] != 0) << _U64(j)
            words[r, w] = word
            total += popcount_word(word)
        counts[r] = total
        binary[r] = bad == _U64(0)


def pack_rows(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Pack float32 rows `[R, N]`.

    Returns:
        Words uint64 `[R, W]` of what is not 0 (NaN is not), how many that are in each row
        (int64 `[R]`), and whether all of them are 1.
    """
    words = np.empty((len(x), words_for(x.shape[1])), _U64)
    counts, binary = np.empty(len(x), np.int64), np.empty(len(x), np.bool_)
    parallel(lambda i, j: _pack(x, words, counts, binary, i, j), len(x), least=128)
    return words, counts, bool(binary.all())


@jit
def list_word(word, base, out, at):
    """Append the places of a word's ones, plus base; returns the place after the last one.

    Four are written without asking how many there are: a branch on that would be mispredicted.
    `out` has room for them.
    """
    rest = word
    for i in range(4):
        put(out, at + i, _I32(base + trailing_zeros(rest)))
        rest &= rest - _U64(1)
    after = at + popcount_word(word)
    at += 4
    while rest != _U64(0):
        put(out, at, _I32(base + trailing_zeros(rest)))
        rest &= rest - _U64(1)
        at += 1
    return after


@jit
def list_words(words, out):
    """Places of the ones of some words, ascending, into out; returns how many there are."""
    at = 0
    for w in range(words.size):
        at = list_word(get(words, w), 64 * w, out, at)
    return at


@jit
def _list(words, x, starts, places, values, by_input, start, stop):
    """Lists start to stop of words `[L, W]`; list i is a row or an input of x `[D, R, N]`."""
    scratch = np.empty(64 * words.shape[1] + 4, np.int32)
    per = x.shape[2] if by_input else x.shape[1]
    for i in range(start, stop):
        found = list_words(words[i], scratch)
        some = places[starts[i] : starts[i] + found]
        for e in range(found):
            some[e] = scratch[e]
        if values.size:
            numbers, one = values[starts[i] : starts[i] + found], i % per
            for e in range(found):
                row, n = (some[e], one) if by_input else (one, some[e])
                numbers[e] = x[i // per, row, n]


@jit
def _turn(words, out, counts, start, stop):
    """Columns (d, w) start to stop of words `[D, R, W]`: out `[D, N, ceil(R / 64)]`, their ones."""
    rows, inputs = words.shape[1], out.shape[1]
    buffer, mixed = np.zeros(64, np.uint64), np.empty(64, np.uint64)
    for index in range(start, stop):
        d, w = index // words.shape[2], index % words.shape[2]
        here = min(64, inputs - 64 * w)
        for n in range(here):
            counts[d, 64 * w + n] = 0
        for q in range(out.shape[2]):
            some = min(64, rows - 64 * q)
            for b in range(8):
                for r in range(8):
                    i = 8 * b + r
                    buffer[8 * r + b] = words[d, 64 * q + i, w] if i < some else _U64(0)
            transpose_square(buffer, mixed)
            for n in range(here):
                word = mixed[8 * (n % 8) + n // 8]
                out[d, 64 * w + n, q] = word
                counts[d, 64 * w + n] += popcount_word(word)


def by_row(words: np.ndarray, counts: np.ndarray, x: np.ndarray | None) -> Lists:
    """List the active inputs of every row.

    Args:
        words: uint64 `[D R, W]`.
        counts: int64 `[D R]`, their ones.
        x: float32 `[D, R, N]`, where the values are wanted.
    """
    return _lists(words, counts, x, by_input=False)


def by_input(words: np.ndarray, inputs: int, x: np.ndarray | None) -> Lists:
    """List the rows in which every input is active: D N lists, numbered from row 0 of their d.

    Args:
        words: uint64 `[D, R, W]`.
        inputs: N.
        x: float32 `[D, R, N]`, where the values are wanted.
    """
    draws, rows, columns = words.shape
    turned = np.empty((draws, inputs, words_for(rows)), _U64)
    counts = np.empty((draws, inputs), np.int64)
    parallel(lambda i, j: _turn(words, turned, counts, i, j), draws * columns, least=8)
    return _lists(
        turned.reshape(draws * inputs, turned.shape[2]), counts.reshape(-1), x, by_input=True
    )


def _lists(words: np.ndarray, counts: np.ndarray, x: np.ndarray | None, by_input: bool) -> Lists:
    starts = np.zeros(len(words) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    places = np.empty(starts[-1], np.int32)
    values = NO_VALUES if x is None else np.empty(starts[-1], _F32)
    numbers = np.empty((0, 1, 1), _F32) if x is None else x
    parallel(
        lambda i, j: _list(words, numbers, starts, places, values, by_input, i, j),
        len(words),
        least=256,
    )
    return Lists(starts, places, values)


@jit
def _unpack(words, out, start, stop):
    """Rows start to stop of words `[R, W]` as zeros and ones, out `[R, N]`."""
    inputs = out.shape[1]
    for r in range(start, stop):
        for w in range(words.shape[1]):
            word, some = words[r, w], out[r, 64 * w : min(64 * w + 64, inputs)]
            for j in range(some.size):
                some[j] = _F32((word >> _U64(j)) & _U64(1))


def unpack_rows(words: np.ndarray, inputs: int) -> np.ndarray:
    """Zeros and ones, float32 `[R, N]`, of words `[R, W]`."""
    out = np.empty((len(words), inputs), _F32)
    parallel(lambda i, j: _unpack(words, out, i, j), len(words), least=128)
    return out
