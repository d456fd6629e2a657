"""Active inputs of a frame in lists, by input position and by output position.

A frame is one example at one time step. Its spikes come as words, a word a place and 64 channels,
or three words where they are quarters (`quarters.py`). An entry says where the row of weights, or
of their gradients, begins that the input belongs to: rows of `LANES` outputs in the order (tap,
channel). Rows leave its lowest bits free: there stands the number of quarters, 1 to 4, and 0 for a
spike. Oracle: tests/ops/test_synapse_conv_lists.py.
"""

import numpy as np

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import (
    Width,
    get,
    load,
    popcount_word,
    put,
    splat_words,
    store,
    trailing_zeros,
)
from bayesnn_spike.ops.synapse.lists import SLACK, seen_from

_U64, _I32 = np.uint64, np.int32
LANES = 64
"""Outputs that are worked on at once: four vectors of sixteen."""
QUARTERS = LANES - 1
"""The bits of an entry that count quarters."""
# Eight entries (int32) at a time; the sum of two halves never carries, entries are below 2^31.
_EIGHT = Width(4)


@jit
def room(geometry, channels, frames):
    """Entries that the lists of some frames have room for."""
    return frames * geometry.height * geometry.width * channels + SLACK


@jit
def list_frame(words, frame, planes, starts, first, entries, at):
    """List the active channels of every place of one frame, behind those of other frames.

    Args:
        words: uint64 `[F, P, planes W]`.
        frame: which of them.
        planes: 1, of spikes, or 3, of quarters.
        starts: int32, gets where the list of a place begins, from `first` on, `[P + 1]`.
        entries: int32 of `room`, gets LANES times the channel, and the number of quarters, from
            `at` on.

    Returns:
        The place after the last entry.
    """
    inputs, each, flat = words.shape[1], words.shape[2] // planes, words.reshape(-1)
    i = frame * inputs * words.shape[2]
    for p in range(inputs):
        put(starts, first + p, _I32(at))
        for w in range(each):
            one = get(flat, i + w)
            two, four = _U64(0), _U64(0)
            if planes == 3:
                two, four = get(flat, i + each + w), get(flat, i + 2 * each + w)
            rest = one | two | four
            stop = at + popcount_word(rest)
            # Four at a time, needed or not: a branch a bit would be mispredicted every time.
            while at < stop:
                for j in range(4):
                    bit = trailing_zeros(rest)
                    entry = LANES * (64 * w + bit)
                    if planes == 3:
                        b = _U64(bit & 63)
                        high = (((two >> b) & _U64(1)) << _U64(1)) | (
                            ((four >> b) & _U64(1)) << _U64(2)
                        )
                        entry |= np.int64(((one >> b) & _U64(1)) | high)
                    put(entries, at + j, _I32(entry))
                    rest &= rest - _U64(1)
                at += 4
            at = stop
        i += words.shape[2]
    put(starts, first + inputs, _I32(at))
    return at


@jit
def places_seen(geometry, channels):
    """Where every output position looks, `[P', 2 taps]` (see `seen_from`), and at how many taps."""
    count = geometry.out_height * geometry.out_width
    taps = geometry.kernel_height * geometry.kernel_width
    seen, found = np.empty((count, 2 * taps), np.int32), np.empty(count, np.int32)
    for p in range(count):
        found[p] = seen_from(p, geometry, channels, LANES, seen[p])
    return seen, found


@jit
def join(starts, first, entries, seen, found, out, at):
    """Append the entries of all that one output position sees, taps ascending.

    Args:
        starts, first, entries: of `list_frame`.
        seen, found: the position's row of `places_seen`.
        out: int32, gets entries from `at` on; `SLACK` places behind the last one may be
            overwritten.

    Returns:
        The place after the last entry.
    """
    for i in range(found):
        place, shift = first + np.int64(get(seen, 2 * i)), _U64(get(seen, 2 * i + 1))
        begin, end = np.int64(get(starts, place)), np.int64(get(starts, place + 1))
        both = splat_words(_EIGHT, shift | (shift << _U64(32)))
        for j in range(0, end - begin, 8):
            store(out, at + j, load(_EIGHT, entries, begin + j) + both)
        at += end - begin
    return at


@jit
def values_of_quarters():
    """What the lowest bits of an entry stand for."""
    return np.array([0.0, 0.25, 0.5, 0.75, 1.0], np.float32)


@jit
def rows_seeing(geometry, frames):
    """Which output position sees an input position by a tap, int32 `[taps, F P]`; F P' for none."""
    count, inputs = geometry.out_height * geometry.out_width, geometry.height * geometry.width
    taps = geometry.kernel_height * geometry.kernel_width
    rows = np.full((taps, frames * inputs), frames * count, np.int32)
    places = np.empty(2 * taps, np.int64)
    for p in range(count):
        # With channels = size = 1 a shift is the tap.
        for i in range(seen_from(p, geometry, 1, 1, places)):
            for f in range(frames):
                rows[places[2 * i + 1], f * inputs + places[2 * i]] = f * count + p
    return rows
