"""One recording of an event camera (or of any sensor of spiking channels) as a value.

    events = EventStream(t_us, x, y, p, width=34, height=34)
    events.slice_time(100_000, 200_000)      # the second saccade, its times from 0

Oracle: tests/events/test_stream.py.
"""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from bayesnn_spike.events.errors import EventError


@final
@dataclass(frozen=True, eq=False)
class EventStream:
    """Events in order of time, n of them; checked when built, read-only, and never shared.

    The arrays are copied, so a later change to what was passed in changes nothing here. Any
    integer dtype is taken; the fields have the dtypes below.

    Attributes:
        t_us: `[n]` int64, microseconds from the start of the recording, never decreasing, >= 0.
        x: `[n]` int32, column, 0 <= x < width.
        y: `[n]` int32, row, 0 <= y < height.
        p: `[n]` uint8, polarity, p < polarities. With two polarities 1 is ON (brighter) and 0 is
            OFF; a sensor with one polarity has p = 0 throughout.
        width: columns of the sensor.
        height: rows of the sensor.
        polarities: kinds of event that the sensor tells apart.
        duration_us: length of the recording; every event lies in [0, duration_us). Left out, it
            ends one microsecond after the last event.

    Raises:
        EventError: an array is not one-dimensional and integer, the lengths differ, an event
            lies outside sensor or duration, or time runs backwards. The message names the event.
    """

    t_us: NDArray[np.int64]
    x: NDArray[np.int32]
    y: NDArray[np.int32]
    p: NDArray[np.uint8]
    width: int
    height: int
    polarities: int = 2
    duration_us: int = 0

    def __post_init__(self) -> None:
        for name in ("width", "height", "polarities"):
            _set(self, name, _whole(getattr(self, name), name, low=1))
        if self.polarities > 256:
            raise EventError(f"polarities must be at most 256, got {self.polarities}")
        _check_lengths(self)
        _check_order(self.t_us)
        for name, dtype, stop in (
            ("t_us", np.int64, None),
            ("x", np.int32, self.width),
            ("y", np.int32, self.height),
            ("p", np.uint8, self.polarities),
        ):
            _set(self, name, _frozen(getattr(self, name), name, dtype, stop))
        end = int(self.t_us[-1]) + 1 if len(self) else 0
        _set(self, "duration_us", _whole(self.duration_us, "duration_us", low=0) or end)
        if self.duration_us == 0:
            raise EventError("a stream without events has no end of its own: give duration_us")
        if self.duration_us < end:
            raise EventError(
                f"event {len(self) - 1} is at {end - 1} us, "
                f"but the recording lasts only {self.duration_us} us"
            )

    def __len__(self) -> int:
        """The number of events."""
        return int(self.t_us.shape[0])

    def slice_time(self, start_us: int, stop_us: int) -> "EventStream":
        """Return the events in [start_us, stop_us) as a recording of its own, times from 0.

        Raises:
            EventError: the window is empty or leaves the recording, [0, duration_us).
        """
        start, stop = _whole(start_us, "start_us", low=0), _whole(stop_us, "stop_us", low=0)
        if not start < stop <= self.duration_us:
            raise EventError(
                f"the window [{start}, {stop}) us must be non-empty and lie inside the "
                f"recording, [0, {self.duration_us}) us"
            )
        first, last = np.searchsorted(self.t_us, (start, stop), side="left")
        kept = slice(int(first), int(last))
        return EventStream(
            self.t_us[kept] - start,
            self.x[kept],
            self.y[kept],
            self.p[kept],
            width=self.width,
            height=self.height,
            polarities=self.polarities,
            duration_us=stop - start,
        )

    def equals(self, other: "EventStream") -> bool:
        """Return whether both have the same events in the same order, sensor and duration."""
        sizes = ("width", "height", "polarities", "duration_us")
        return all(getattr(self, name) == getattr(other, name) for name in sizes) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in _ARRAYS
        )

    def __repr__(self) -> str:
        return (
            f"EventStream({len(self)} events, {self.width}x{self.height}, "
            f"{self.polarities} polarities, {self.duration_us / 1000:g} ms)"
        )

    def __reduce__(self) -> tuple[type["EventStream"], tuple[Any, ...]]:
        # Rebuilt through the constructor, because pickled arrays come back writeable.
        arrays = tuple(getattr(self, name) for name in _ARRAYS)
        return EventStream, (*arrays, self.width, self.height, self.polarities, self.duration_us)


_ARRAYS = ("t_us", "x", "y", "p")


def _set(stream: EventStream, name: str, value: object) -> None:
    """Assign to a field of the frozen stream while it is being built."""
    object.__setattr__(stream, name, value)


def _whole(value: object, name: str, *, low: int) -> int:
    """Return `value` as an int of at least `low`; a bool or a float is refused."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise EventError(f"{name} must be a whole number, got {value!r}")
    if value < low:
        raise EventError(f"{name} must be at least {low}, got {value}")
    return int(value)


def _check_lengths(stream: EventStream) -> None:
    """Raise EventError unless the four arrays are integer vectors of one length."""
    for name in _ARRAYS:
        array = getattr(stream, name)
        if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype.kind not in "iu":
            what = (
                f"{array.dtype} of shape {array.shape}"
                if isinstance(array, np.ndarray)
                else f"a {type(array).__name__}"
            )
            raise EventError(f"{name} must be a one-dimensional integer numpy array, got {what}")
    lengths = {name: len(getattr(stream, name)) for name in _ARRAYS}
    if len(set(lengths.values())) > 1:
        raise EventError(f"the arrays must have one length, got {lengths}")


def _check_order(t_us: NDArray[np.integer[Any]]) -> None:
    """Raise EventError if time runs backwards. Compared pairwise: unsigned differences wrap."""
    back = t_us[1:] < t_us[:-1]
    if back.any():
        at = int(back.argmax()) + 1
        raise EventError(f"time runs backwards at event {at}: {t_us[at - 1]} us, then {t_us[at]}")


def _frozen(
    array: NDArray[np.integer[Any]], name: str, dtype: type[np.integer[Any]], stop: int | None
) -> NDArray[Any]:
    """Return a read-only copy of `dtype`, after checking 0 <= value < `stop`.

    Checked before the cast, which would wrap.
    """
    limit = np.iinfo(np.int64).max if stop is None else stop
    if array.size and (array.min() < 0 or array.max() >= limit):
        at = int(((array < 0) | (array >= limit)).argmax())
        raise EventError(f"event {at} has {name} = {array[at]}, outside [0, {limit})")
    copy = np.array(array, dtype=dtype, copy=True, order="C")
    copy.setflags(write=False)
    return copy
