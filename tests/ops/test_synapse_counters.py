"""ops/synapse/counters: bit-sliced counters against numpy, at every width and past every byte."""

import numpy as np
import pytest

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import Width
from bayesnn_spike.ops.synapse.counters import (
    BATCH,
    carry_save,
    count_block,
    fire_word,
    write_currents,
)
from bayesnn_spike.ops.synapse.rows import rows_by_input
from tests.ops import cases, packed

WIDTHS = (2, 4, 8)
_F32 = np.float32


def random() -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=11))


@jit
def full_adder(a, b, c):
    """`carry_save` of one word."""
    return carry_save(a, b, c)


def test_a_carry_and_a_sum_are_three_bits() -> None:
    a, b, c = (np.uint64(x) for x in (0b11110000, 0b11001100, 0b10101010))
    carry, total = full_adder(a, b, c)
    assert (carry, total) == (0b11101000, 0b10010110)


def counted(width: int, size: int, active: np.ndarray) -> tuple[np.ndarray, bool, np.ndarray]:
    """Counts of 64 * size outputs over a list of active inputs, whether wide, and the truth."""
    inputs = 70
    weight = cases.signs(1, 64 * size, inputs, seed=size).numpy()
    rows = rows_by_input(packed.pack(weight > 0), inputs, True)
    assert rows.shape == (1, 1, inputs + 1, size)
    padding = np.full(-len(active) % 8, inputs)
    lists = (np.concatenate([active, padding]) * size).astype(np.int32)
    before, after = np.array([-7, -7, -7], np.int32), np.array([-9], np.int32)
    lists = np.concatenate([before, lists, after])
    counts = np.full(64 * size, 77, np.uint8)
    wide = np.full(64 * size, -1, np.int32)
    big = count_block(
        Width(width), width, rows.reshape(-1), 0, size, lists, 3, len(lists) - 1, counts, wide
    )
    truth = (weight[0] > 0)[:, active].sum(1)
    return (wide if big else counts), big, truth


@pytest.mark.parametrize("events", [0, 1, 7, 8, 9, 63, BATCH - 1, BATCH, BATCH + 1, 255, 256, 900])
@pytest.mark.parametrize(("width", "size"), [(2, 2), (2, 4), (4, 4), (2, 8), (4, 8), (8, 8)])
def test_counts_are_exact_at_every_width(width: int, size: int, events: int) -> None:
    active = random().integers(0, 70, events)
    found, big, truth = counted(width, size, active)
    assert big is (events > BATCH)
    np.testing.assert_array_equal(found, truth)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("events", [BATCH, 33_000, 70_000])
def test_no_counter_overflows(width: int, events: int) -> None:
    """The same few inputs again and again: counts far beyond a byte and beyond 16 bits."""
    found, _, truth = counted(width, 8, np.arange(events) % 3)
    assert truth.max() == events
    np.testing.assert_array_equal(found, truth)


def neuron_inputs(dtype: type, events: int) -> tuple[np.ndarray, ...]:
    lanes = 192
    counts = random().integers(0, min(events, 255) + 1, lanes).astype(dtype)
    scale, bias, v = (cases.lattice(lanes, seed=s).numpy() for s in range(3))
    return counts, scale, bias, v


def fire_word_of(counts, lane, events, scale, bias, at, v, v_at, neuron):
    """Numpy's float32, one rounding an operation, in the documented order."""
    beta, threshold, edge, soft, v_reset = neuron
    c = counts[lane : lane + 64].astype(_F32)
    total = ((c + c) - _F32(events)) + bias[at : at + 64]
    u = beta * v[v_at : v_at + 64] + total * scale[at : at + 64]
    x = u - threshold
    fires = x >= edge
    return packed.pack(fires)[0], np.where(fires, x if soft else v_reset, u)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("edge", [0.0, 2.0**-149])
def test_a_word_fires_as_numpy_does(dtype: type, soft: bool, edge: float) -> None:
    """On the lattice many membranes are exactly at the threshold: `edge` decides."""
    counts, scale, bias, v = neuron_inputs(dtype, 20)
    neuron = (_F32(0.5), _F32(0.25), _F32(edge), soft, _F32(-0.25))
    word, after = fire_word_of(counts, 64, 20, scale, bias, 64, v, 128, neuron)
    found = v.copy()
    assert fire_word(counts, 64, 20, scale, bias, 64, found, 128, neuron) == word
    np.testing.assert_array_equal(found[128:192], after)
    np.testing.assert_array_equal(found[:128], v[:128])


def test_ties_fire_at_or_above_and_not_above() -> None:
    """The membrane is exactly the threshold in every lane."""
    counts, ones = np.full(64, 5, np.uint8), np.ones(64, _F32)
    for edge, word in ((0.0, 2**64 - 1), (2.0**-149, 0)):
        neuron = (_F32(1), _F32(3), _F32(edge), True, _F32(0))
        found = fire_word(counts, 0, 8, ones, np.zeros(64, _F32), 0, ones.copy(), 0, neuron)
        assert found == word


def test_general_floats_round_as_numpy_does() -> None:
    """No multiplication is contracted with an addition."""
    counts, *_ = neuron_inputs(np.uint8, 200)
    scale, bias, v = (cases.normal(192, seed=s).float().numpy() for s in range(3))
    neuron = (_F32(0.9), _F32(0.3), _F32(0), True, _F32(0))
    word, after = fire_word_of(counts, 0, 200, scale, bias, 128, v, 64, neuron)
    assert fire_word(counts, 0, 200, scale, bias, 128, v, 64, neuron) == word
    np.testing.assert_array_equal(v[64:128], after)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
@pytest.mark.parametrize("outputs", [1, 15, 16, 17, 63, 64])
def test_currents_are_integers_and_a_bias(dtype: type, outputs: int) -> None:
    counts, _, bias, _ = neuron_inputs(dtype, 20)
    out = np.full(outputs + 2, 99, _F32)
    write_currents(counts, 64, 20, bias, 128, np.empty(64, _F32), out[1:-1])
    expected = 2 * counts[64 : 64 + outputs].astype(_F32) - 20 + bias[128 : 128 + outputs]
    np.testing.assert_array_equal(out[1:-1], expected)
    assert out[[0, -1]].tolist() == [99, 99]
