"""Drive the counters over a whole recording, for K draws, on several threads.

Draws that share their spikes are put side by side and read one set of lists; draws with spikes of
their own make lists position by position. Either way an output's membrane stays in the first-level
cache for the whole time loop. Oracle: tests/ops/test_synapse_engine.py.
"""

from typing import NamedTuple

import numpy as np

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import Width, get, machine_width, put
from bayesnn_spike.ops._threads import parallel
from bayesnn_spike.ops.synapse.counters import count_block, fire_word, write_currents
from bayesnn_spike.ops.synapse.lists import (
    SLACK,
    Geometry,
    bound_entries,
    count_spikes,
    list_examples,
    list_inputs,
    list_position,
    seen_from,
)

_U64, _F32 = np.uint64, np.float32
# A plain 0 has a type of its own: what is called with it would be compiled once more.
_0 = np.int64(0)
_WIDEST = machine_width()
# Entries of the lists held at once (int32): 32 MiB.
_ENTRIES = 1 << 23


class Neuron(NamedTuple):
    """What `fire` needs, as the kernels take it; fires at u - threshold >= edge."""

    beta: np.float32
    threshold: np.float32
    edge: np.float32
    soft: bool
    v_reset: np.float32


class Layer(NamedTuple):
    """Arrays of one layer, lanes in the order of `rows_by_input`.

    Attributes:
        rows: uint64 `[G, NB, N + 1, bw]`.
        scale, bias: float32 `[G, lanes]`, lanes = NB * bw * 64.
        outputs: M of one draw.
        draws: draws side by side in one group (K if G is 1).
    """

    rows: np.ndarray
    scale: np.ndarray
    bias: np.ndarray
    outputs: int
    draws: int


class Result(NamedTuple):
    """What a pass writes; `currents` is empty where it fires, the others where it does not.

    Attributes:
        spikes: uint64 `[K, B, P, T, Mw]`: what is written together lies together.
        v: float32 `[K, B, P, 64 Mw]`, the membrane before, and after.
        currents: float32 `[K, T, B, P, M]`.
    """

    spikes: np.ndarray
    v: np.ndarray
    currents: np.ndarray


@jit
def _scratch(layer):
    """What one thread needs: counts, wide counts, membranes, and where lane words lie."""
    lanes = 64 * layer.rows.shape[3]
    return (
        np.empty(lanes, np.uint8),
        np.empty(lanes, np.int32),
        np.empty(lanes, np.float32),
        np.empty(2 * layer.rows.shape[3], np.int64),
    )


@jit
def _present(layer, group, block, places):
    """Fill in (draw, word) of every lane word of a block; returns how many there are."""
    size, words = layer.rows.shape[3], (layer.outputs + 63) // 64
    present = min(size, layer.draws * words - block * size)
    for i in range(present):
        lane_word = block * size + i
        places[2 * i] = group * layer.draws + lane_word // words
        places[2 * i + 1] = lane_word % words
    return present


@jit
def _fire_block(width, strip, layer, group, block, events, lists, at, b, p, neuron, out, scratch):
    """Fire one block of lanes at one position through all time steps, from its list."""
    counts, wide, v, places = scratch
    size = layer.rows.shape[3]
    base = (group * layer.rows.shape[1] + block) * layer.rows.shape[2] * size
    rows, spikes, membrane = layer.rows.reshape(-1), out.spikes.reshape(-1), out.v.reshape(-1)
    scale, bias = layer.scale[group], layer.bias[group]
    _, batch, positions, steps, words = out.spikes.shape
    last = _U64(0xFFFFFFFFFFFFFFFF) >> _U64(64 * words - layer.outputs)
    present = _present(layer, group, block, places)
    # Written as loops here and below: numba compiles seconds for the errors of unequal slices.
    for i in range(present):
        k, m = places[2 * i], places[2 * i + 1]
        start = 64 * (((k * batch + b) * positions + p) * words + m)
        for lane in range(64):
            v[64 * i + lane] = membrane[start + lane]
    for t in range(steps):
        n = get(events, t)
        stop = at + (n + 7) // 8 * 8
        big = count_block(width, strip, rows, base, size, lists, at, stop, counts, wide)
        at = stop
        for i in range(present):
            k, m = get(places, 2 * i), get(places, 2 * i + 1)
            lane = 64 * i
            where = 64 * block * size + lane
            if big:
                word = fire_word(wide, lane, n, scale, bias, where, v, lane, neuron)
            else:
                word = fire_word(counts, lane, n, scale, bias, where, v, lane, neuron)
            word = word & last if m == words - 1 else word
            put(spikes, (((k * batch + b) * positions + p) * steps + t) * words + m, word)
    for i in range(present):
        k, m = places[2 * i], places[2 * i + 1]
        start = 64 * (((k * batch + b) * positions + p) * words + m)
        for lane in range(64):
            membrane[start + lane] = v[64 * i + lane]


@jit
def _sum_block(width, strip, layer, group, block, events, lists, at, b, p, out, scratch):
    """Write the currents of one block of lanes at one position for all time steps."""
    counts, wide, buffer, places = scratch
    size = layer.rows.shape[3]
    base = (group * layer.rows.shape[1] + block) * layer.rows.shape[2] * size
    rows, bias = layer.rows.reshape(-1), layer.bias[group]
    present = _present(layer, group, block, places)
    for t in range(events.size):
        n = events[t]
        stop = at + (n + 7) // 8 * 8
        big = count_block(width, strip, rows, base, size, lists, at, stop, counts, wide)
        at = stop
        for i in range(present):
            k, m = places[2 * i], places[2 * i + 1]
            lane, where = 64 * i, 64 * (block * size + i)
            row = out.currents[k, t, b, p, 64 * m : min(64 * m + 64, layer.outputs)]
            if big:
                write_currents(wide, lane, n, bias, where, buffer, row)
            else:
                write_currents(counts, lane, n, bias, where, buffer, row)


@jit
def _run_together(width, strip, layer, events, lists, offsets, first, neuron, out, start, stop):
    """Blocks of all draws on shared lists: (block, b) start to stop; b counts from `first`."""
    scratch, fires = _scratch(layer), out.currents.size == 0
    batch = events.shape[0]
    for index in range(start, stop):
        block, b = index // batch, index % batch
        at = offsets[b]
        for p in range(events.shape[1]):
            here = events[b, p]
            if fires:
                _fire_block(
                    width, strip, layer, _0, block, here, lists, at, first + b, p, neuron, out,
                    scratch,
                )  # fmt: skip
            else:
                _sum_block(
                    width, strip, layer, _0, block, here, lists, at, first + b, p, out, scratch
                )
            for t in range(here.size):
                at += (here[t] + 7) // 8 * 8


@jit
def _run_apart(width, strip, layer, x, geometry, neuron, out, start, stop):
    """Draws with spikes of their own: (k, b) start to stop; lists are made on the way."""
    scratch, fires = _scratch(layer), out.currents.size == 0
    batch, steps, taps = x.shape[1], x.shape[3], geometry.kernel_height * geometry.kernel_width
    inputs, size = layer.rows.shape[2] - 1, layer.rows.shape[3]
    events = np.empty(steps, np.int32)
    starts = np.empty(x.shape[2] * steps + 1, np.int32)
    lists = np.empty(steps * (inputs + 8) + SLACK, np.int32)
    places = np.empty(2 * taps, np.int64)
    for index in range(start, stop):
        k, b = index // batch, index % batch
        active = np.empty(count_spikes(x, k, b) + SLACK, np.int32)
        list_inputs(x, k, b, size, starts, active)
        for p in range(geometry.out_height * geometry.out_width):
            seen = seen_from(p, geometry, inputs // taps, size, places)
            list_position(starts, active, seen, places, inputs * size, events, lists, _0)
            for block in range(layer.rows.shape[1]):
                if fires:
                    _fire_block(
                        width, strip, layer, k, block, events, lists, _0, b, p, neuron, out,
                        scratch,
                    )  # fmt: skip
                else:
                    _sum_block(width, strip, layer, k, block, events, lists, _0, b, p, out, scratch)


def run(x: np.ndarray, geometry: Geometry, layer: Layer, neuron: Neuron, out: Result) -> None:
    """Run one layer.

    Args:
        x: words `[1 or K, B, P, T, W]`; one for all draws if `layer.rows` has one group.
        geometry: the convolution.
        layer: signs, scales and biases by lane.
        neuron: what fires, ignored where only currents are asked for.
        out: what is written.
    """
    if 0 in (x.shape[1], x.shape[3]):  # no example, or no step: the membranes stay
        return
    size = layer.rows.shape[3]
    width = _WIDEST if size >= _WIDEST.count else Width(size)
    draws = layer.rows.shape[0]
    if len(x) == draws > 1 or (draws == 1 and layer.draws == 1 and geometry.positions > 1):
        parallel(
            lambda i, j: _run_apart(width, width.count, layer, x, geometry, neuron, out, i, j),
            len(x) * x.shape[1],
        )
        return
    totals = np.empty(x.shape[1], np.int64)
    parallel(lambda i, j: bound_entries(x, geometry, totals, i, j), totals.size)
    for first, last in _chunks(totals):
        part = x[0, first:last][None]
        offsets = np.concatenate([[0], np.cumsum(totals[first:last])])
        lists = np.empty(offsets[-1], np.int32)
        events = np.empty((last - first, geometry.positions, x.shape[3]), np.int32)
        _together(width, layer, part, geometry, offsets, events, lists, first, neuron, out)


def _together(width, layer, x, geometry, offsets, events, lists, first, neuron, out) -> None:
    inputs, size = layer.rows.shape[2] - 1, layer.rows.shape[3]
    parallel(
        lambda i, j: list_examples(
            x, geometry, inputs, inputs // geometry.taps, size, offsets, events, lists, i, j
        ),
        len(events),
    )
    parallel(
        lambda i, j: _run_together(
            width, width.count, layer, events, lists, offsets, first, neuron, out, i, j
        ),
        layer.rows.shape[1] * len(events),
    )


def _chunks(totals: np.ndarray) -> list[tuple[int, int]]:
    """Ranges of examples whose lists fit the bound together; one example at least."""
    chunks, first, held = [], 0, 0
    for b, total in enumerate(totals):
        if b > first and held + total > _ENTRIES:
            chunks.append((first, b))
            first, held = b, 0
        held += total
    if len(totals) > first:
        chunks.append((first, len(totals)))
    return chunks
