"""From a stream to a dense tensor `[T, P, H, W]`, with an account of every event.

    spikes, report = bin_events(stream, bins=10)                       # 0/1, ten equal steps
    counts, report = bin_events(stream, dt_ms=1.0, values=Counts())    # how many, 1 ms a step

No event disappears unsaid: `report.events == report.kept + report.merged + report.clipped`.

Oracle: tests/events/test_binning.py, against a loop over the events.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bayesnn_spike.events.errors import EventError
from bayesnn_spike.events.stream import EventStream


@final
@dataclass(frozen=True)
class Binary:
    """A cell is 1 if at least one event fell into it: what a spiking input line can carry."""


@final
@dataclass(frozen=True)
class Counts:
    """A cell holds how many events fell into it, at most `maximum` (None: no limit).

    Raises:
        EventError: `maximum` is not a whole number of at least 1.
    """

    maximum: int | None = None

    def __post_init__(self) -> None:
        if self.maximum is not None:
            _require_whole(self.maximum, "Counts.maximum")


@final
@dataclass(frozen=True)
class BinReport:
    """Where the events of a stream, or of several (`a + b`), went.

    Attributes:
        events: events in the stream.
        kept: the sum of the tensor: occupied cells (Binary) or counted events (Counts).
        merged: events that share a binary cell with an earlier one, because they fell on the same
            pixel in the same step or were pooled onto it by `grid`. Always 0 for Counts.
        clipped: events after the end of the time window, or above `Counts.maximum`.

    Raises:
        EventError: the three parts do not add up to `events`, or one is negative.
    """

    events: int
    kept: int
    merged: int
    clipped: int

    def __post_init__(self) -> None:
        parts = (self.kept, self.merged, self.clipped)
        if min(parts) < 0 or sum(parts) != self.events:
            raise EventError(f"{self} does not conserve events: the parts must add up to `events`")

    def __add__(self, other: "BinReport") -> "BinReport":
        """Return the account of both streams together."""
        return BinReport(
            self.events + other.events,
            self.kept + other.kept,
            self.merged + other.merged,
            self.clipped + other.clipped,
        )


_BINARY = Binary()


def bin_events(
    stream: EventStream,
    *,
    bins: int | None = None,
    dt_ms: float | None = None,
    values: Binary | Counts = _BINARY,
    duration_us: int | None = None,
    grid: tuple[int, int] | None = None,
) -> tuple[Tensor, BinReport]:
    """Bin a stream in time, and pool its pixels if asked to.

    The window is [0, D) with D = `duration_us` or the stream's own. With `bins` = T, an event at
    t falls into step floor(t T / D); with `dt_ms`, into step floor(t / dt), T = ceil(D / dt), so
    that the last step may be cut short by the window. Integer arithmetic: no event sits on the
    wrong side of an edge by rounding.

    Args:
        stream: n events.
        bins: number of steps, >= 1. Give this or `dt_ms`.
        dt_ms: length of a step in milliseconds, a whole number of microseconds.
        values: `Binary()` or `Counts(maximum)`.
        duration_us: length of the window. A longer one than the recording adds empty steps; a
            shorter one clips the events after it.
        grid: (height, width) to pool the sensor to; each must divide the sensor's.

    Returns:
        The tensor `[T, P, H, W]`, uint8 for Binary and int32 for Counts, P = stream.polarities
        (channel 0 OFF, channel 1 ON), and the account of the events.

    Raises:
        EventError: not exactly one of `bins` and `dt_ms`, a value that is not positive and whole
            where it must be, or a grid that does not divide the sensor.
    """
    duration = stream.duration_us if duration_us is None else duration_us
    _require_whole(duration, "duration_us")
    # Times are sorted, so the window keeps a prefix.
    inside = int(np.searchsorted(stream.t_us, duration, side="left"))
    steps, step = _steps(stream.t_us[:inside], duration, bins, dt_ms)
    (height, width), row, column = _pixels(stream, inside, grid)
    shape = (steps, stream.polarities, height, width)
    # int64 from here on (`step` is): the number of cells may pass 2^31.
    cells = ((step * stream.polarities + stream.p[:inside]) * height + row) * width + column
    match values:
        case Binary():
            flat = np.zeros(int(np.prod(shape, dtype=np.int64)), dtype=np.uint8)
            flat[cells] = 1
            kept = int(np.count_nonzero(flat))
            merged, above = inside - kept, 0
        case Counts(maximum):
            counts = np.bincount(cells, minlength=int(np.prod(shape, dtype=np.int64)))
            if maximum is not None:
                np.minimum(counts, maximum, out=counts)
            kept = int(counts.sum())
            merged, above = 0, inside - kept
            flat = counts.astype(np.int32)
        case _:
            raise EventError(f"values must be Binary() or Counts(maximum), got {values!r}")
    report = BinReport(len(stream), kept, merged, len(stream) - inside + above)
    return torch.from_numpy(flat.reshape(shape)), report


def _steps(
    t_us: NDArray[np.int64], duration: int, bins: int | None, dt_ms: float | None
) -> tuple[int, NDArray[np.int64]]:
    """Return the number of steps and the step of each event."""
    if (bins is None) == (dt_ms is None):
        raise EventError(f"give exactly one of bins and dt_ms, got bins={bins}, dt_ms={dt_ms}")
    if bins is not None:
        _require_whole(bins, "bins")
        return bins, t_us * bins // duration
    dt_us = round(dt_ms * 1000) if np.isfinite(dt_ms) else 0
    if dt_us < 1 or abs(dt_us - dt_ms * 1000) > 1e-6:
        raise EventError(f"dt_ms must be a whole number of microseconds, >= 0.001, got {dt_ms}")
    return -(-duration // dt_us), t_us // dt_us


def _pixels(
    stream: EventStream, inside: int, grid: tuple[int, int] | None
) -> tuple[tuple[int, int], NDArray[np.int32], NDArray[np.int32]]:
    """Return the grid's (height, width), and row and column of each event on it."""
    y, x = stream.y[:inside], stream.x[:inside]
    if grid is None:
        return (stream.height, stream.width), y, x
    for size, full, name in zip(
        grid, (stream.height, stream.width), ("height", "width"), strict=True
    ):
        _require_whole(size, f"grid {name}")
        if full % size:
            divisors = [n for n in range(1, full + 1) if full % n == 0]
            raise EventError(
                f"grid {name} {size} does not divide the sensor's {full}; possible: {divisors}"
            )
    height, width = grid
    return (height, width), y // (stream.height // height), x // (stream.width // width)


def _require_whole(value: object, name: str) -> None:
    """Raise EventError unless `value` is an int of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise EventError(f"{name} must be a whole number of at least 1, got {value!r}")
