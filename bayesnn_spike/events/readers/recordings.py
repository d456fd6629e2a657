"""Many recordings in flat arrays, as one file holds them; a stream is made when asked for."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from bayesnn_spike.events.errors import EventFileError
from bayesnn_spike.events.readers._check import Where, check_sensor
from bayesnn_spike.events.readers.policies import first_backwards
from bayesnn_spike.events.readers.sensors import Sensor
from bayesnn_spike.events.stream import EventStream


@final
@dataclass(frozen=True, eq=False)
class Recordings:
    """n recordings with `recordings[i]`, `len` and iteration; checked by the reader that made it.

    Attributes:
        path: the file.
        x: `[events]` columns, all recordings one after the other; so are `y`, `p` and `t_us`.
        y: `[events]` rows.
        p: `[events]` polarities.
        t_us: `[events]` microseconds from the start of the event's recording.
        offsets: `[n + 1]` int64; recording i is the slice offsets[i]:offsets[i + 1].
        labels: `[n]` int64, or None for a file without labels.
        sensor: its size.
        polarities: 2 (OFF, ON), or 1 for a sensor that knows one kind of event.
        fields: what else the file holds, by name, such as `split`, or `speaker` of SHD.
    """

    path: Path
    x: NDArray[np.integer[Any]]
    y: NDArray[np.integer[Any]]
    p: NDArray[np.integer[Any]]
    t_us: NDArray[np.integer[Any]]
    offsets: NDArray[np.int64]
    labels: NDArray[np.int64] | None
    sensor: Sensor
    polarities: int = 2
    fields: dict[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        arrays = (self.x, self.y, self.p, self.t_us, self.offsets, *self.fields.values())
        for array in arrays if self.labels is None else (*arrays, self.labels):
            array.setflags(write=False)

    def __len__(self) -> int:
        """The number of recordings."""
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> EventStream:
        """Return recording `index` (negative: from the end), which ends with its last event.

        One without events lasts one microsecond.

        Raises:
            IndexError: there is no such recording.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.path.name} has {len(self)} recordings, asked for {index}")
        index %= len(self)
        part = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        return EventStream(
            self.t_us[part],
            self.x[part],
            self.y[part],
            self.p[part],
            self.sensor.width,
            self.sensor.height,
            self.polarities,
            duration_us=0 if part.stop > part.start else 1,
        )

    def __iter__(self) -> Iterator[EventStream]:
        """Yield the recordings in order."""
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        return (
            f"Recordings({self.path.name}: {len(self)} recordings, {len(self.x)} events, "
            f"{self.sensor}, {'no labels' if self.labels is None else 'labelled'})"
        )


def check_recordings(recordings: Recordings, where: dict[str, Where]) -> Recordings:
    """Return the recordings, or raise EventFileError if an event breaks a rule.

    Args:
        recordings: arrays of the right lengths.
        where: for "x", "y", "p", "t": from an event's number in the flat arrays to its place.

    Raises:
        EventFileError: an event off the sensor or with an unknown polarity, a time below 0, or
            time that runs backwards inside a recording.
    """
    path: str | os.PathLike[str] = recordings.path
    x, y, p, t_us = recordings.x, recordings.y, recordings.p, recordings.t_us
    origin, size = np.zeros(1, dtype=np.int64), recordings.sensor
    # Each axis by itself, so that the message names the array which is wrong.
    check_sensor(path, x, np.broadcast_to(origin, x.shape), size, where["x"])
    check_sensor(path, np.broadcast_to(origin, y.shape), y, size, where["y"])
    for name, array, stop in (("p", p, recordings.polarities), ("t", t_us, 2**62)):
        wrong = (array < 0) | (array >= stop)
        if wrong.any():
            event = int(wrong.argmax())
            raise EventFileError(
                path, where[name](event), f"{name} = {array[event]}", f"0 <= {name} < {stop}"
            )
    event = _first_backwards_inside(recordings)
    if event is not None:
        raise EventFileError(
            path,
            where["t"](event),
            f"{t_us[event]} us after {t_us[event - 1]} us",
            "time that never runs backwards inside a recording",
        )
    return recordings


def _first_backwards_inside(recordings: Recordings) -> int | None:
    """Return the first event that is earlier than the one before it in the same recording."""
    t_us = recordings.t_us
    if first_backwards(t_us) is None:
        return None
    back = t_us[1:] < t_us[:-1]
    starts = recordings.offsets[1:-1]
    starts = starts[(starts > 0) & (starts < len(t_us))]
    back[starts - 1] = False
    return int(back.argmax()) + 1 if back.any() else None
