"""The compiled loops of `cascade`: lists of spikes through rows of weights into membranes.

Membranes of one example stay in the cache for all steps, and a spike adds its row of weights to
them at once: no current is ever written down. Arrays are contiguous, rows and membranes in groups
of sixteen. Oracle: tests/ops/test_cascade_cpu.py.
"""

import numpy as np

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import (
    load_floats,
    put,
    reaches,
    splat_float,
    store,
    trailing_zeros,
    where_reaches,
)

_U64, _F32, _I32 = np.uint64, np.float32, np.int32


@jit
def _add_rows(places, begin, end, fan, rows, wide, v, base):
    """Add the rows of the spikes `places[begin:end]` to the membranes at v[base:]."""
    for e in range(begin, end):
        place = places[e]
        pixel = place // wide
        block = (place - pixel * wide) * fan.block
        for k in range(fan.starts[pixel], fan.starts[pixel + 1]):
            to, row = base + fan.targets[k], block + fan.offsets[k]
            for i in range(0, fan.lengths[k], 16):
                store(v, to + i, load_floats(v, to + i) + load_floats(rows, row + i))


@jit
def _list(fired, first, places, at):
    """Append the places of a group that fire; where the list ends."""
    while fired != _U64(0):
        put(places, at, _I32(first + trailing_zeros(fired)))
        fired &= fired - _U64(1)
        at += 1
    return at


@jit
def _fire(v, base, size, more, at_more, threshold, limit, places, at):
    """Add a current, list what reaches the limit, take the threshold off; where the list ends."""
    given, one = more.size > 0, threshold.size == 16
    off, level = load_floats(threshold, 0), load_floats(limit, 0)
    for i in range(0, size, 16):
        x = load_floats(v, base + i)
        if given:
            x = x + load_floats(more, at_more + i)
        if not one:
            off, level = load_floats(threshold, i), load_floats(limit, i)
        store(v, base + i, where_reaches(x, level, x - off, x))
        at = _list(reaches(x, level), i, places, at)
    return at


@jit
def _fire_late(v, base, size, leak, more, at_more, threshold, limit, places, at):
    """As `_fire` of the membrane before this step, which then leaks and gets the current."""
    given, one, keep = more.size > 0, threshold.size == 16, splat_float(leak)
    off, level = load_floats(threshold, 0), load_floats(limit, 0)
    for i in range(0, size, 16):
        x = load_floats(v, base + i)
        if not one:
            off, level = load_floats(threshold, i), load_floats(limit, i)
        y = x * keep
        y = where_reaches(x, level, y - off, y)
        if given:
            y = y + load_floats(more, at_more + i)
        store(v, base + i, y)
        at = _list(reaches(x, level), i, places, at)
    return at


@jit
def _scale(v, base, size, by):
    factor = splat_float(by)
    for i in range(0, size, 16):
        store(v, base + i, load_floats(v, base + i) * factor)


@jit
def run_layer(
    seen,
    seen_ends,
    wide,
    fan,
    rows,
    more,
    start_v,
    v,
    threshold,
    limit,
    leak,
    delayed,
    out,
    ends,
    start,
    stop,
):
    """Examples start to stop of one layer of neurons, through all steps.

    Args:
        seen: int32 `[B, most]`, places of the spikes of the layer before, step after step.
        seen_ends: int64 `[B, T]`, where every step's end.
        wide: places of a pixel in them.
        fan: where a pixel's spikes go; see `Fan`.
        rows: float32, weights.
        more: float32 `[1 or B, 1 or T, N]` flat, currents beside the spikes'; may be empty.
        start_v: float32 `[1 or B, N]`, membranes before the first step; empty: v holds them.
        v: float32 `[B, N]`, membranes, changed.
        threshold: float32 `[N]`, what a spike takes off; `[16]` where all are one number.
        limit: float32, likewise, the least membrane that fires.
        leak: factor of the membrane a step.
        delayed: whether the membrane before the step decides.
        out: int32 `[B, most]`, places of the spikes made.
        ends: int64 `[B, T]`, where every step's end.
        start: first example.
        stop: the one after the last.
    """
    size, steps = v.shape[1], ends.shape[1]
    flat, first = v.reshape(-1), start_v.reshape(-1)
    numbers = more.reshape(-1)
    for b in range(start, stop):
        base, begin, at = b * size, 0, 0
        if start_v.size > 0:
            source = base if start_v.shape[0] > 1 else 0
            for i in range(0, size, 16):
                store(flat, base + i, load_floats(first, source + i))
        own = b if more.shape[0] > 1 else 0
        for t in range(steps):
            at_more = (own * more.shape[1] + (t if more.shape[1] > 1 else 0)) * size
            if delayed:
                at = _fire_late(
                    flat, base, size, leak, numbers, at_more, threshold, limit, out[b], at
                )
            elif leak != _F32(1):
                _scale(flat, base, size, leak)
            if seen_ends.size > 0:
                _add_rows(seen[b], begin, seen_ends[b, t], fan, rows, wide, flat, base)
                begin = seen_ends[b, t]
            if not delayed:
                at = _fire(flat, base, size, numbers, at_more, threshold, limit, out[b], at)
            ends[b, t] = at


@jit
def run_readout(seen, seen_ends, wide, fan, rows, bias, out, first, start, stop):
    """Examples start to stop of a readout: out `[B, T, N]`, currents from step `first` on."""
    size, steps = out.shape[2], out.shape[1]
    flat = out.reshape(-1)
    for b in range(start, stop):
        begin = 0
        for t in range(seen_ends.shape[1]):
            base = (b * steps + first + t) * size
            for i in range(0, size, 16):
                store(flat, base + i, load_floats(bias, i))
            _add_rows(seen[b], begin, seen_ends[b, t], fan, rows, wide, flat, base)
            begin = seen_ends[b, t]
