"""Bit-sliced counters: add rows of signs for the events of a list, then read numbers and fire.

Eight planes hold an 8-bit counter for every lane. Eight rows at a time go through a tree of
carry-save adders (Harley and Seal), so a row costs about six bitwise instructions whatever its
width: 512 synapses in one AVX-512 register. Oracle: tests/ops/test_synapse_counters.py.
"""

import numpy as np

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import (
    get,
    load,
    load_floats,
    load_numbers,
    machine_width,
    reaches,
    splat_float,
    store,
    store_pieces,
    where_reaches,
    zeros,
)
from bayesnn_spike.ops.synapse.rows import transpose_planes

_U64, _F32 = np.uint64, np.float32
# Eight planes count to 255; lists come in eights.
BATCH = 248


# With AVX-512 any function of three words is one instruction, if it is written without sharing.
_THREE_AT_ONCE = machine_width().count == 8


@jit
def carry_save(a, b, c):
    """(carry, sum) of three bits in every place."""
    if _THREE_AT_ONCE:
        return (a & b) | (c & (a | b)), a ^ b ^ c
    u = a ^ b
    return (a & b) | (u & c), u ^ c


@jit
def count_strip(width, rows, base, lists, start, stop, counts, at):
    """Count one strip of a block over entries start to stop (at most 248) into bytes.

    Args:
        rows: uint64, flat; entry n reads from `base + n`.
        counts: uint8, gets the lanes of the strip from `at` on.
    """
    ones, twos, fours = zeros(width), zeros(width), zeros(width)
    p3, p4, p5, p6, p7 = zeros(width), zeros(width), zeros(width), zeros(width), zeros(width)
    for e in range(start, stop, 8):
        a = load(width, rows, base + get(lists, e))
        b = load(width, rows, base + get(lists, e + 1))
        two_a, ones = carry_save(ones, a, b)
        a = load(width, rows, base + get(lists, e + 2))
        b = load(width, rows, base + get(lists, e + 3))
        two_b, ones = carry_save(ones, a, b)
        four_a, twos = carry_save(twos, two_a, two_b)
        a = load(width, rows, base + get(lists, e + 4))
        b = load(width, rows, base + get(lists, e + 5))
        two_a, ones = carry_save(ones, a, b)
        a = load(width, rows, base + get(lists, e + 6))
        b = load(width, rows, base + get(lists, e + 7))
        two_b, ones = carry_save(ones, a, b)
        four_b, twos = carry_save(twos, two_a, two_b)
        carry, fours = carry_save(fours, four_a, four_b)
        p3, carry = p3 ^ carry, p3 & carry
        p4, carry = p4 ^ carry, p4 & carry
        p5, carry = p5 ^ carry, p5 & carry
        p6, carry = p6 ^ carry, p6 & carry
        p7 = p7 ^ carry
    a, b, c, d, e, f, g, h = transpose_planes(width, ones, twos, fours, p3, p4, p5, p6, p7)
    store_pieces(counts, at, 128, a)
    store_pieces(counts, at + 16, 128, b)
    store_pieces(counts, at + 32, 128, c)
    store_pieces(counts, at + 48, 128, d)
    store_pieces(counts, at + 64, 128, e)
    store_pieces(counts, at + 80, 128, f)
    store_pieces(counts, at + 96, 128, g)
    store_pieces(counts, at + 112, 128, h)


@jit
def count_block(width, strip, rows, base, size, lists, start, stop, counts, wide):
    """Count a block of `size` words; returns whether the counts stand in `wide` (int32).

    Up to 255 events they stand in `counts` (uint8). `strip` is the words of a vector.
    """
    if start == stop:
        counts[: 64 * size] = 0
        return False
    if stop - start <= BATCH:
        for word in range(0, size, strip):
            count_strip(width, rows, base + word, lists, start, stop, counts, 64 * word)
        return False
    for lane in range(64 * size):
        wide[lane] = 0
    for first in range(start, stop, BATCH):
        last = min(first + BATCH, stop)
        for word in range(0, size, strip):
            count_strip(width, rows, base + word, lists, first, last, counts, 64 * word)
        for lane in range(64 * size):
            wide[lane] += np.int32(counts[lane])
    return True


@jit
def _fire_16(counts, lane, events, scale, bias, at, v, v_at, neuron):
    """Fire 16 lanes; returns their spikes as 16 bits."""
    beta, threshold, edge, soft, v_reset = neuron
    c = load_numbers(counts, lane)
    # With c of the n active synapses at +1 the sum is c - (n - c): an exact integer.
    total = ((c + c) - splat_float(_F32(events))) + load_floats(bias, at)
    u = splat_float(beta) * load_floats(v, v_at) + total * load_floats(scale, at)
    x = u - splat_float(threshold)
    border = splat_float(edge)
    after = x if soft else splat_float(v_reset)
    store(v, v_at, where_reaches(x, border, after, u))
    return reaches(x, border)


@jit
def fire_word(counts, lane, events, scale, bias, at, v, v_at, neuron):
    """Fire 64 lanes; returns their spikes as a word.

    Args:
        counts: uint8 or int32, lanes of the block from `lane` on.
        events: length of the list.
        scale, bias: float32 by lane, from `at` on.
        v: float32 membranes, from `v_at` on, updated.
        neuron: (beta, threshold, edge, soft, v_reset); fires at u - threshold >= edge.
    """
    a = _fire_16(counts, lane, events, scale, bias, at, v, v_at, neuron)
    b = _fire_16(counts, lane + 16, events, scale, bias, at + 16, v, v_at + 16, neuron)
    c = _fire_16(counts, lane + 32, events, scale, bias, at + 32, v, v_at + 32, neuron)
    d = _fire_16(counts, lane + 48, events, scale, bias, at + 48, v, v_at + 48, neuron)
    return a | (b << _U64(16)) | (c << _U64(32)) | (d << _U64(48))


@jit
def write_currents(counts, lane, events, bias, at, buffer, out):
    """Write one current for every element of out (at most 64); buffer holds 64 float32."""
    n = splat_float(_F32(events))
    for i in range(0, 64, 16):
        c = load_numbers(counts, lane + i)
        store(buffer, i, ((c + c) - n) + load_floats(bias, at + i))
    for i in range(out.size):
        out[i] = buffer[i]
