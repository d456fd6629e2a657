"""ops/synapse/rows: signs by output become rows by input, in the order the counters read."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import Width, load, store
from bayesnn_spike.ops.synapse.rows import (
    block_words,
    rows_by_input,
    transpose_planes,
    transpose_square,
)
from tests.ops import cases, packed


@pytest.fixture
def threads() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


def by_input(weight: np.ndarray, together: bool, taps: int = 1) -> np.ndarray:
    """The documented order in numpy's words.

    Input c * taps + i is row i * (N / taps) + c, row N is zero. Outputs of a draw are filled up to
    words; bit 8 b + r of two words is output 16 r + b of their 128.
    """
    draws, outputs, inputs = weight.shape
    weight = weight.reshape(draws, outputs, -1, taps).swapaxes(2, 3).reshape(weight.shape)
    lanes = np.zeros((draws, inputs, -(-outputs // 64) * 64), bool)
    lanes[..., :outputs] = (weight > 0).transpose(0, 2, 1)
    if together:
        lanes = lanes.transpose(1, 0, 2).reshape(1, inputs, -1)
    words = lanes.shape[-1] // 64
    size = block_words(words)
    blocks = -(-words // size)
    full = np.zeros((len(lanes), inputs + 1, blocks * size * 64), bool)
    full[:, :inputs, : lanes.shape[-1]] = lanes
    grouped = full.reshape(len(lanes), inputs + 1, -1, 8, 16)  # [..., group, r, b]
    bits = grouped.swapaxes(-1, -2).reshape(full.shape)
    rows = packed.pack(bits).reshape(len(lanes), inputs + 1, blocks, size)
    return rows.transpose(0, 2, 1, 3)


@pytest.mark.parametrize(
    ("lane_words", "size"), [(1, 2), (2, 2), (3, 4), (4, 4), (5, 8), (8, 8), (9, 8), (100, 8)]
)
def test_blocks_are_powers_of_two_up_to_eight(lane_words: int, size: int) -> None:
    assert block_words(lane_words) == size


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("draws", [1, 3])
@pytest.mark.parametrize("inputs", packed.COUNTS)
@pytest.mark.parametrize("outputs", packed.OUTPUTS)
def test_rows_are_in_the_documented_order(outputs, inputs, draws, together) -> None:
    weight = cases.signs(draws, outputs, inputs, seed=inputs).numpy()
    rows = rows_by_input(packed.pack(weight > 0), inputs, together)
    assert rows.dtype == np.uint64
    np.testing.assert_array_equal(rows, by_input(weight, together))


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(("channels", "taps"), [(1, 9), (2, 25), (65, 4), (128, 9), (7, 13)])
def test_rows_of_a_kernel_go_tap_by_tap(channels: int, taps: int, together: bool) -> None:
    weight = cases.signs(3, 70, channels * taps).numpy()
    rows = rows_by_input(packed.pack(weight > 0), channels * taps, together, taps)
    np.testing.assert_array_equal(rows, by_input(weight, together, taps))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_threads_change_no_bit(count: int, threads: None) -> None:
    weight = cases.signs(4, 700, 130).numpy()
    torch.set_num_threads(count)
    rows = rows_by_input(packed.pack(weight > 0), 130, True)
    np.testing.assert_array_equal(rows, by_input(weight, True))


@jit
def transposed(width, planes, out, size):
    """Eight planes of one vector each, transposed."""
    a, b, c, d, e, f, g, h = transpose_planes(
        width,
        load(width, planes, 0),
        load(width, planes, size),
        load(width, planes, 2 * size),
        load(width, planes, 3 * size),
        load(width, planes, 4 * size),
        load(width, planes, 5 * size),
        load(width, planes, 6 * size),
        load(width, planes, 7 * size),
    )
    store(out, 0, a)
    store(out, size, b)
    store(out, 2 * size, c)
    store(out, 3 * size, d)
    store(out, 4 * size, e)
    store(out, 5 * size, f)
    store(out, 6 * size, g)
    store(out, 7 * size, h)


@pytest.mark.parametrize("size", [2, 4, 8])
def test_planes_are_transposed_in_every_byte(size: int) -> None:
    """Bit p of byte i of result q is bit q of byte i of plane p."""
    planes = np.random.Generator(np.random.Philox(key=1)).integers(
        0, 2**64, 8 * size, dtype=np.uint64
    )
    out = np.empty_like(planes)
    transposed(Width(size), planes, out, size)
    bits = np.unpackbits(planes.view(np.uint8), bitorder="little").reshape(8, 8 * size, 8)
    expected = np.packbits(bits.transpose(2, 1, 0), axis=-1, bitorder="little")
    np.testing.assert_array_equal(out.view(np.uint8), expected.reshape(-1))


def test_a_square_of_bits_is_transposed() -> None:
    """Row 8 b + r lies at 8 r + b; column n comes at 8 (n % 8) + n // 8."""
    bits = np.random.Generator(np.random.Philox(key=2)).random((64, 64)) < 0.5
    mixed = np.arange(64).reshape(8, 8).T.reshape(-1)
    out = np.empty(64, np.uint64)
    transpose_square(packed.pack(bits)[mixed, 0], out)
    np.testing.assert_array_equal(out[mixed], packed.pack(bits.T)[:, 0])
