"""From packed spikes to lists of active inputs, one list for every output position and time step.

An entry says where the row of signs begins that the event adds: input channel c under tap i of the
kernel is row `c * taps + i` (the order of a flattened weight), times the words of a row. Lists are
filled up to a multiple of eight with the row of zeros. Oracle: tests/ops/test_lists.py.
"""

from typing import NamedTuple

import numpy as np

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import popcount_word, put, trailing_zeros

_U64 = np.uint64


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
def list_position(x, k, b, position, geometry, zero_row, size, events, lists, start):
    """List the events of one position for all time steps.

    Args:
        x: words `[K, T, B, P, W]`.
        size: words of a row of signs.
        events: int32 `[T]`, gets the number of events of every step.
        lists: int32, gets the rows from `start` on, every step filled up to eight.

    Returns:
        The place after the last entry.
    """
    y0 = position // geometry.out_width * geometry.stride_y - geometry.pad_y
    x0 = position % geometry.out_width * geometry.stride_x - geometry.pad_x
    taps = geometry.kernel_height * geometry.kernel_width
    at = start
    for t in range(x.shape[1]):
        first = at
        for dy in range(max(0, -y0), min(geometry.kernel_height, geometry.height - y0)):
            for dx in range(max(0, -x0), min(geometry.kernel_width, geometry.width - x0)):
                place = (y0 + dy) * geometry.width + x0 + dx
                tap = dy * geometry.kernel_width + dx
                for w in range(x.shape[4]):
                    word = x[k, t, b, place, w]
                    while word != _U64(0):
                        row = (64 * w + trailing_zeros(word)) * taps + tap
                        put(lists, at, np.int32(row * size))
                        at += 1
                        word &= word - _U64(1)
        events[t] = at - first
        while (at - first) % 8:
            put(lists, at, np.int32(zero_row * size))
            at += 1
    return at


@jit
def count_entries(x, geometry, totals, start, stop):
    """Room that the lists of example b need, for (k, b) start to stop of totals `[K, B]`."""
    batch = x.shape[2]
    for index in range(start, stop):
        k, b = index // batch, index % batch
        total = 0
        for position in range(geometry.out_height * geometry.out_width):
            y0 = position // geometry.out_width * geometry.stride_y - geometry.pad_y
            x0 = position % geometry.out_width * geometry.stride_x - geometry.pad_x
            for t in range(x.shape[1]):
                count = 0
                for dy in range(max(0, -y0), min(geometry.kernel_height, geometry.height - y0)):
                    for dx in range(max(0, -x0), min(geometry.kernel_width, geometry.width - x0)):
                        place = (y0 + dy) * geometry.width + x0 + dx
                        for w in range(x.shape[4]):
                            count += popcount_word(x[k, t, b, place, w])
                total += (count + 7) // 8 * 8
        totals[k, b] = total


@jit
def list_examples(x, geometry, zero_row, size, offsets, events, lists, start, stop):
    """Lists of examples start to stop of the only draw: events `[B, P, T]`, offsets `[B + 1]`."""
    for b in range(start, stop):
        at = offsets[b]
        for position in range(events.shape[1]):
            at = list_position(
                x, 0, b, position, geometry, zero_row, size, events[b, position], lists, at
            )
