"""ops/_simd: every vector operation against numpy, at every width, at unaligned places."""

import os
import subprocess
import sys

import numpy as np
import pytest
from llvmlite import binding

from bayesnn_spike.ops import _simd
from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import Width, has_multiply_add, has_vector_popcount, machine_width
from tests.architecture.scan import ROOT

WIDTHS = (2, 4, 8)
_F32 = np.float32


def words(count: int, key: int = 0) -> np.ndarray:
    """Random words; the first are the edges."""
    found = np.random.Generator(np.random.Philox(key=key)).integers(0, 2**64, count, np.uint64)
    edges = np.array([0, 2**64 - 1, 2**63, 1], np.uint64)
    found[: min(4, count)] = edges[:count]
    return found


@jit
def words_kernel(width, n, a, b, out):
    """One vector for each operation, from place 1 of a and 3 of b, to place 1 of out."""
    x, y = _simd.load(width, a, 1), _simd.load(width, b, 3)
    _simd.store(out, 1, x & y)
    _simd.store(out, 1 + n, x | y)
    _simd.store(out, 1 + 2 * n, x ^ y)
    _simd.store(out, 1 + 3 * n, x + y)
    _simd.store(out, 1 + 4 * n, x << np.uint64(13))
    _simd.store(out, 1 + 5 * n, x >> np.uint64(13))
    _simd.store(out, 1 + 6 * n, _simd.popcount(x))
    _simd.store(out, 1 + 7 * n, _simd.zeros(width))
    _simd.store(out, 1 + 8 * n, _simd.splat_words(width, b[0]))
    _simd.store(out, 1 + 9 * n, _simd.multiply_low(x, np.uint64(0xD2511F53)))
    _simd.store(out, 1 + 10 * n, _simd.count_up(width, b[1]))


def ones(values: np.ndarray) -> np.ndarray:
    return np.unpackbits(values[:, None].view(np.uint8), axis=1).sum(1).astype(np.uint64)


@pytest.mark.parametrize("width", WIDTHS)
def test_operations_on_words(width: int) -> None:
    a, b = words(width + 1), words(width + 3, key=1)
    out = np.full(11 * width + 2, 77, np.uint64)
    words_kernel(Width(width), width, a, b, out)
    x, y = a[1:], b[3:]
    thirteen = np.uint64(13)
    expected = [
        *(x & y, x | y, x ^ y, x + y, x << thirteen, x >> thirteen, ones(x)),
        np.zeros(width, np.uint64),
        np.full(width, b[0]),
        (x & np.uint64(0xFFFFFFFF)) * np.uint64(0xD2511F53),
        b[1] + np.arange(width, dtype=np.uint64),
    ]
    np.testing.assert_array_equal(out[1:-1].reshape(11, width), expected)
    assert out[[0, -1]].tolist() == [77, 77]


@jit
def pieces_kernel(width, a, out, place, step):
    """`store_pieces` of one vector."""
    _simd.store_pieces(out, place, step, _simd.load(width, a, 0))


@pytest.mark.parametrize("width", WIDTHS)
def test_pieces_of_sixteen_bytes_go_apart(width: int) -> None:
    a, out = words(width), np.zeros(5 + 40 * width, np.uint8)
    pieces_kernel(Width(width), a, out, 5, 40)
    expected = np.zeros_like(out)
    for piece in range(width // 2):
        expected[5 + 40 * piece : 21 + 40 * piece] = a[2 * piece : 2 * piece + 2].view(np.uint8)
    np.testing.assert_array_equal(out, expected)


@jit
def bytes_kernel(width, a):
    """`transpose_bytes` in place."""
    _simd.store(a, 0, _simd.transpose_bytes(_simd.load(width, a, 0)))


def test_bytes_of_eight_words_are_transposed() -> None:
    a = words(8)
    expected = a.view(np.uint8).reshape(8, 8).T.copy()
    bytes_kernel(Width(8), a)
    np.testing.assert_array_equal(a.view(np.uint8).reshape(8, 8), expected)


@jit
def scalars_kernel(a, out):
    """Operations on one word or element at a time."""
    for i in range(a.size):
        word = _simd.get(a, i)
        _simd.put(out, 2 * i, _simd.trailing_zeros(word))
        _simd.put(out, 2 * i + 1, _simd.popcount_word(word))


def test_operations_on_one_word() -> None:
    a = np.concatenate([words(20), np.uint64(1) << np.arange(64, dtype=np.uint64)])
    out = np.empty(2 * a.size, np.int64)
    scalars_kernel(a, out)
    lowest = [(int(w) & -int(w)).bit_length() - 1 if w else 64 for w in a]
    assert out.reshape(-1, 2).tolist() == [
        [zeros, int(w).bit_count()] for zeros, w in zip(lowest, a, strict=True)
    ]


@jit
def floats_kernel(a, b, out):
    """One vector of sixteen for each operation on floats, and the bits of the comparison."""
    x, y = _simd.load_floats(a, 1), _simd.load_floats(b, 3)
    _simd.store(out, 0, x + y)
    _simd.store(out, 16, x - y)
    _simd.store(out, 32, x * y)
    _simd.store(out, 48, x / y)
    _simd.store(out, 64, _simd.absolute(x))
    _simd.store(out, 80, _simd.rounded(x))
    _simd.store(out, 96, _simd.splat_float(b[0]))
    _simd.store(out, 112, _simd.where_reaches(x, y, x * y, y))
    _simd.store(out, 128, x * y + y)
    return _simd.reaches(x, y)


def test_operations_on_floats_are_those_of_numpy() -> None:
    """Rounded once an operation, a multiplication and an addition as two; NaN reaches nothing."""
    a, b = (
        np.random.Generator(np.random.Philox(key=k)).normal(size=19).astype(_F32) for k in (1, 2)
    )
    a[1:12] = [0.0, -0.0, 0.5, 1.5, -2.5, np.nan, np.inf, -np.inf, 3.5, 1e-40, 3e38]
    b[3:14] = [-0.0, 0.0, 0.5, 2.0, -2.5, 1.0, np.inf, np.nan, 1e-45, -1e-40, 10]
    out = np.empty(144, _F32)
    bits = floats_kernel(a, b, out)
    x, y = a[1:17], b[3:19]
    with np.errstate(all="ignore"):
        expected = [x + y, x - y, x * y, x / y, np.abs(x), np.rint(x), np.full(16, b[0])]
        expected += [np.where(x >= y, x * y, y), x * y + y]
    np.testing.assert_array_equal(out.reshape(9, 16), np.array(expected, _F32))
    assert bits == sum(1 << j for j in range(16) if x[j] >= y[j])


@jit
def numbers_kernel(a, out):
    """`load_numbers`, and `halvings` of the absolute values."""
    x = _simd.load_numbers(a, 1)
    _simd.store(out, 0, x)
    _simd.store(out, 16, _simd.halvings(x))


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_whole_numbers_become_floats_and_powers_of_two(dtype: type) -> None:
    a = np.array([9, 0, 1, 2, 22, 23, 24, 31, 63, 64, 100, 119, 120, 124, 125, 126, 126], dtype)
    out = np.empty(32, _F32)
    numbers_kernel(a, out)
    assert out[:16].tolist() == a[1:].tolist()
    assert out[16:].tolist() == [2.0 ** -int(n) for n in a[1:]]


def test_bytes_and_negative_numbers_are_read_with_their_sign() -> None:
    out = np.empty(32, _F32)
    numbers_kernel(np.full(17, 255, np.uint8), out)
    assert out[:16].tolist() == [255] * 16
    numbers_kernel(np.full(17, -70_000, np.int32), out)
    assert out[:16].tolist() == [-70_000] * 16


@jit
def draws_kernel(width, n, a, limits, quads):
    """`bits_above` and `store_quads` of four vectors."""
    x, y = _simd.load(width, a, 0), _simd.load(width, a, n)
    z, w = _simd.load(width, a, 2 * n), _simd.load(width, a, 3 * n)
    _simd.store_quads(quads, 0, x, y, z, w)
    return _simd.bits_above(x, y, limits, 1)


@pytest.mark.parametrize("width", [4, 8])
def test_words_are_compared_in_pairs_and_stored_in_fours(width: int) -> None:
    a = words(4 * width, key=3)
    low = ((a & np.uint64(0xFFFFFFFF)) >> np.uint64(1)).astype(np.int64).reshape(4, width)
    pairs = low[:2].T.reshape(-1)  # as they are compared
    limits = np.full(2 * width + 1, -2, np.int32)
    # Above, at, and below the limit; -1 is below all words, 2^31 - 1 above none.
    limits[1:] = np.clip(pairs + np.resize([-1, 0, 1], 2 * width), -1, 2**31 - 1)
    limits[1], limits[2] = -1, 2**31 - 1
    quads = np.empty(4 * width, np.int32)
    bits = draws_kernel(Width(width), width, a, limits, quads)
    assert bits == sum(1 << j for j in range(2 * width) if pairs[j] > limits[1 + j])
    np.testing.assert_array_equal(quads.reshape(width, 4), low.T)


@jit
def limits_kernel(small, logits, out):
    """`store_limits` of sixteen."""
    _simd.store_limits(out, 2, _simd.load_floats(small, 0), _simd.load_floats(logits, 0))


def test_limits_are_stored_in_two_parts() -> None:
    small = np.array([0, 1, 2**20, 2**30] * 4, _F32)
    logits = np.array([1, 0, -0.0, -1, np.inf, -np.inf, 1e-40, -1e-40] * 2, _F32)
    out = np.full(28, 5, np.int32)
    limits_kernel(small, logits, out)
    whole = small.astype(np.int64)
    limit = np.where(logits >= 0, whole - 1, 2**31 - 1 - whole).reshape(4, 4)
    assert out[2:10].tolist() == limit[:, :2].reshape(-1).tolist()
    assert out[18:26].tolist() == limit[:, 2:].reshape(-1).tolist()
    assert set(out[[0, 1, *range(10, 18), 26, 27]]) == {5}


@pytest.mark.parametrize(
    ("features", "count"), [({"avx512f": True}, 8), ({"avx2": True}, 4), ({}, 4)]
)
def test_the_width_is_the_machine_s(features: dict, count: int, monkeypatch) -> None:
    monkeypatch.setattr(binding, "get_host_cpu_features", lambda: features)
    assert machine_width().count == count
    assert not has_vector_popcount()
    features["avx512vpopcntdq"] = True
    assert has_vector_popcount()


@pytest.mark.parametrize(
    ("machine", "features", "has"),
    [("x86_64", {"fma": True}, True), ("x86_64", {"avx": True}, False), ("aarch64", {}, True)],
)
def test_old_processors_of_one_kind_have_no_multiply_add(
    machine, features, has, monkeypatch
) -> None:
    monkeypatch.setattr(binding, "get_host_cpu_features", lambda: features)
    monkeypatch.setattr(binding, "get_process_triple", lambda: f"{machine}-unknown-linux-gnu")
    assert has_multiply_add() is has


SCRIPT = """
import torch
from bayesnn_spike.ops import only
from bayesnn_spike.ops.draw.signs import Drawn
from bayesnn_spike.ops.sampled import sampled_linear
from bayesnn_spike.rng import Stream

drawn = Drawn(torch.linspace(-2, 2, 70 * 65).view(65, 70), Stream(3), 3)
x = (torch.arange(4 * 2 * 70).view(4, 2, 70) % 3 == 0).float()
found = []
for name in ("cpu", "reference"):
    with only(name):
        words = drawn.packed().words
        spikes, v = sampled_linear(x, drawn, scale=0.25, beta=0.5, v_threshold=0.75)
        found.append((words, spikes.words, v))
assert all(torch.equal(a, b) for a, b in zip(*found))
"""


def test_a_machine_without_vectors_gives_the_same_bits() -> None:
    """All vectors are then made of single words."""
    generic = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    environment = {**os.environ, **generic, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
