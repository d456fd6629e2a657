"""Corruptions of a recording at five severities: how a camera in the field differs from the lab.

    corrupt = HotPixels(severity=3)
    noisy = corrupt(stream_of_events, Stream(0).child("shift", 17))

Every corruption is a value, takes the randomness it uses, and returns a new `EventStream` with the
same sensor and duration. Severity 0 changes nothing; 1 to 5 get worse, in the manner of ImageNet-C
(Hendrycks and Dietterich, 2019, arXiv:1903.12261). The tables are ours.

Oracle: tests/events/test_corrupt.py.
"""

from dataclasses import dataclass
from typing import Protocol, final

import numpy as np

from bayesnn_spike.events.stream import EventStream
from bayesnn_spike.rng import Stream

SEVERITIES = range(6)


class Corruption(Protocol):
    """What all corruptions here are."""

    def __call__(self, events: EventStream, stream: Stream) -> EventStream:
        """Return the corrupted events."""


@final
@dataclass(frozen=True)
class HotPixels:
    """Some pixels fire at a high rate all the time, each with one polarity.

    Severity 1..5: 0.2, 0.5, 1, 2, 5 % of the pixels (rounded, at least one), at 1 kHz.
    """

    severity: int

    def __post_init__(self) -> None:
        _require_severity(self.severity)

    def __call__(self, events: EventStream, stream: Stream) -> EventStream:
        """Return the events with those of the hot pixels added."""
        share = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05)[self.severity]
        pixels = events.width * events.height
        count = max(1, round(share * pixels)) if self.severity else 0
        random = stream.numpy()
        hot = random.choice(pixels, count, replace=False)
        polarity = random.integers(0, events.polarities, count)
        times = random.poisson(1e-3 * events.duration_us, count)
        which = np.repeat(np.arange(count), times)
        when = random.integers(0, events.duration_us, which.size)
        return _added(events, when, hot[which], polarity[which])


@final
@dataclass(frozen=True)
class EventDrop:
    """Every event is lost with the same probability.

    Severity 1..5: 10, 25, 40, 60, 80 %.
    """

    severity: int

    def __post_init__(self) -> None:
        _require_severity(self.severity)

    def __call__(self, events: EventStream, stream: Stream) -> EventStream:
        """Return the events that are left."""
        share = (0.0, 0.1, 0.25, 0.4, 0.6, 0.8)[self.severity]
        return _picked(events, stream.numpy().random(len(events)) >= share)


@final
@dataclass(frozen=True)
class PolarityFlip:
    """Every event changes its polarity with the same probability. Needs two polarities.

    Severity 1..5: 5, 10, 20, 35, 50 %.
    """

    severity: int

    def __post_init__(self) -> None:
        _require_severity(self.severity)

    def __call__(self, events: EventStream, stream: Stream) -> EventStream:
        """Return the events with some polarities flipped.

        Raises:
            ValueError: the sensor has one polarity.
        """
        if events.polarities != 2:
            raise ValueError(f"a flip needs two polarities, the sensor has {events.polarities}")
        share = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5)[self.severity]
        flip = stream.numpy().random(len(events)) < share
        return _changed(events, events.t_us, events.x, events.y, events.p ^ flip)


@final
@dataclass(frozen=True)
class TimeJitter:
    """Every event moves in time by a normal amount, held inside the recording.

    Severity 1..5: standard deviation of 2, 5, 10, 20, 40 ms.
    """

    severity: int

    def __post_init__(self) -> None:
        _require_severity(self.severity)

    def __call__(self, events: EventStream, stream: Stream) -> EventStream:
        """Return the events in their new order."""
        deviation_us = (0, 2000, 5000, 10_000, 20_000, 40_000)[self.severity]
        noise = np.rint(deviation_us * stream.numpy().standard_normal(len(events)))
        when = np.clip(events.t_us + noise.astype(np.int64), 0, events.duration_us - 1)
        order = np.argsort(when, kind="stable")
        return _changed(events, when[order], events.x[order], events.y[order], events.p[order])


@final
@dataclass(frozen=True)
class SpatialShift:
    """The whole recording moves by one offset; what leaves the sensor is lost.

    Severity 1..5: 2, 4, 6, 9, 12 % of the larger side (rounded, at least one pixel), in a
    random one of the eight directions.
    """

    severity: int

    def __post_init__(self) -> None:
        _require_severity(self.severity)

    def __call__(self, events: EventStream, stream: Stream) -> EventStream:
        """Return the events that are still on the sensor."""
        share = (0.0, 0.02, 0.04, 0.06, 0.09, 0.12)[self.severity]
        pixels = max(1, round(share * max(events.width, events.height))) if self.severity else 0
        directions = [(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if dx or dy]
        right, down = directions[stream.numpy().integers(len(directions))]
        x, y = events.x + right * pixels, events.y + down * pixels
        inside = (x >= 0) & (x < events.width) & (y >= 0) & (y < events.height)
        return _changed(events, events.t_us[inside], x[inside], y[inside], events.p[inside])


@final
@dataclass(frozen=True)
class BackgroundActivity:
    """All pixels fire by themselves, at random times and polarities, as in the dark.

    Severity 1..5: a mean rate of 0.5, 1, 2, 5, 10 Hz per pixel.
    """

    severity: int

    def __post_init__(self) -> None:
        _require_severity(self.severity)

    def __call__(self, events: EventStream, stream: Stream) -> EventStream:
        """Return the events with noise events added."""
        rate_hz = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)[self.severity]
        pixels = events.width * events.height
        random = stream.numpy()
        count = int(random.poisson(rate_hz * pixels * events.duration_us * 1e-6))
        when = random.integers(0, events.duration_us, count)
        where = random.integers(0, pixels, count)
        return _added(events, when, where, random.integers(0, events.polarities, count))


def _require_severity(severity: int) -> None:
    if isinstance(severity, bool) or severity not in SEVERITIES:
        raise ValueError(f"severity must be a whole number from 0 to 5, got {severity!r}")


def _changed(
    events: EventStream, t_us: np.ndarray, x: np.ndarray, y: np.ndarray, p: np.ndarray
) -> EventStream:
    """Return other events on the same sensor; an empty recording keeps its duration, too."""
    return EventStream(
        t_us,
        x,
        y,
        p,
        width=events.width,
        height=events.height,
        polarities=events.polarities,
        duration_us=events.duration_us,
    )


def _picked(events: EventStream, kept: np.ndarray) -> EventStream:
    return _changed(events, events.t_us[kept], events.x[kept], events.y[kept], events.p[kept])


def _added(
    events: EventStream, when: np.ndarray, where: np.ndarray, polarity: np.ndarray
) -> EventStream:
    """Merge events at row-major pixels `where`; at equal times the recording's own come first."""
    y, x = np.divmod(where, events.width)
    t_us = np.concatenate([events.t_us, when])
    order = np.argsort(t_us, kind="stable")
    return _changed(
        events,
        t_us[order],
        np.concatenate([events.x, x])[order],
        np.concatenate([events.y, y])[order],
        np.concatenate([events.p, polarity.astype(np.uint8)])[order],
    )
