"""From packed spikes to lists of active inputs, one list for every output position and time step.

An entry says where the row of signs begins that the event adds. First the active channels of every
input position are listed, once; an output position then joins the lists of the positions that it
sees, each shifted by its tap: rows are in the order (tap, channel). Lists are filled up to a
multiple of eight with the row of zeros. Oracle: tests/ops/test_synapse_lists.py.
"""

from typing import NamedTuple

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

_U64 = np.uint64
# A plain 0 has a type of its own: what is called with it would be compiled once more.
_0 = np.int64(0)
# Eight entries (int32) at a time; the sum of two halves never carries, entries are below 2^31.
_EIGHT = Width(4)
# Room behind the last entry that is written to and means nothing.
SLACK = 16


class Geometry(NamedTuple):
    """A convolution, as the kernels see it; a fully connected layer has one position and one tap.

    Attributes:
        height, width: of the input map.
        kernel_height, kernel_width: of the kernel.
        stride_y, stride_x: steps of the kernel.
        pad_y, pad_x: zeros around the map.
        out_height, out_width: of the output map.
    """

    height: int = 1
    width: int = 1
    kernel_height: int = 1
    kernel_width: int = 1
    stride_y: int = 1
    stride_x: int = 1
    pad_y: int = 0
    pad_x: int = 0
    out_height: int = 1
    out_width: int = 1

    @property
    def positions(self) -> int:
        """How many output positions there are."""
        return self.out_height * self.out_width

    @property
    def taps(self) -> int:
        """How many input positions an output position sees."""
        return self.kernel_height * self.kernel_width


@jit
def seen_from(position, geometry, channels, size, places):
    """Where one output position looks.

    Args:
        channels: of an input position.
        size: words of a row of signs.
        places: int64, flat; gets (input position, shift of an entry) of every tap on the map.

    Returns:
        How many taps lie on the map.
    """
    y0 = position // geometry.out_width * geometry.stride_y - geometry.pad_y
    x0 = position % geometry.out_width * geometry.stride_x - geometry.pad_x
    found = 0
    for dy in range(max(0, -y0), min(geometry.kernel_height, geometry.height - y0)):
        for dx in range(max(0, -x0), min(geometry.kernel_width, geometry.width - x0)):
            tap = dy * geometry.kernel_width + dx
            places[2 * found] = (y0 + dy) * geometry.width + x0 + dx
            places[2 * found + 1] = tap * channels * size
            found += 1
    return found


@jit
def count_spikes(x, k, b):
    """Spikes of one example in one draw; x is `[K, B, P, T, W]`."""
    total = 0
    flat = x.reshape(-1)
    size = x.shape[2] * x.shape[3] * x.shape[4]
    start = (k * x.shape[1] + b) * size
    for i in range(start, start + size):
        total += popcount_word(get(flat, i))
    return total


@jit
def list_inputs(x, k, b, size, starts, channels):
    """List the active channels of every input position, time step by time step.

    Args:
        x: words `[K, B, P, T, W]`.
        size: words of a row of signs.
        starts: int32 `[P T + 1]`, gets where the list of (position, t) begins.
        channels: int32, gets channel times size; needs `SLACK` more than there are spikes.
    """
    lists, words = x.shape[2] * x.shape[3], x.shape[4]
    flat = x.reshape(-1)
    place = (k * x.shape[1] + b) * lists * words
    at = 0
    for i in range(lists):
        put(starts, i, np.int32(at))
        for w in range(words):
            word = get(flat, place)
            place += 1
            stop = at + popcount_word(word)
            # Four at a time, needed or not: a branch a bit would be mispredicted every time.
            while at < stop:
                for j in range(4):
                    channel = 64 * w + trailing_zeros(word)
                    put(channels, at + j, np.int32(channel * size))
                    word &= word - _U64(1)
                at += 4
            at = stop
    put(starts, lists, np.int32(at))


@jit
def list_position(starts, channels, seen, places, padding, events, lists, start):
    """Join the lists of what one output position sees, for all time steps.

    Args:
        starts, channels: of `list_inputs`.
        seen, places: of `seen_from`.
        padding: the entry of the row of zeros.
        events: int32 `[T]`, gets the number of events of every step.
        lists: int32, gets the entries from `start` on, every step filled up to eight; `SLACK`
            places behind the last one may be overwritten.

    Returns:
        The place after the last entry.
    """
    steps = events.size
    zero = splat_words(_EIGHT, _U64(padding) | (_U64(padding) << _U64(32)))
    at = start
    for t in range(steps):
        first = at
        for i in range(seen):
            place, shift = get(places, 2 * i) * steps + t, _U64(get(places, 2 * i + 1))
            begin, end = get(starts, place), get(starts, place + 1)
            both = splat_words(_EIGHT, shift | (shift << _U64(32)))
            for j in range(0, end - begin, 8):
                store(lists, at + j, load(_EIGHT, channels, begin + j) + both)
            at += end - begin
        put(events, t, np.int32(at - first))
        store(lists, at, zero)
        at = first + (at - first + 7) // 8 * 8
    return at


@jit
def bound_entries(x, geometry, totals, start, stop):
    """Room that suffices for the lists of example b, for b from start to stop of the only draw."""
    lists = geometry.out_height * geometry.out_width * x.shape[3]
    for b in range(start, stop):
        events = count_spikes(x, _0, b) * geometry.kernel_height * geometry.kernel_width
        # At most seven fill up a list that is not empty.
        totals[b] = events + 7 * min(events, lists) + SLACK


@jit
def list_examples(x, geometry, inputs, channels, size, offsets, events, lists, start, stop):
    """Lists of examples start to stop of the only draw: events `[B, P, T]`, offsets `[B + 1]`.

    A row of signs has `size` words, the row of zeros is row `inputs`.
    """
    places = np.empty(2 * geometry.kernel_height * geometry.kernel_width, np.int64)
    starts = np.empty(x.shape[2] * x.shape[3] + 1, np.int32)
    for b in range(start, stop):
        active = np.empty(count_spikes(x, _0, b) + SLACK, np.int32)
        list_inputs(x, _0, b, size, starts, active)
        at = offsets[b]
        for position in range(events.shape[1]):
            seen = seen_from(position, geometry, channels, size, places)
            at = list_position(
                starts, active, seen, places, inputs * size, events[b, position], lists, at
            )
