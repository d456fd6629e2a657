"""DVS-Gesture: an AEDAT 3.1 recording and the csv that says which gesture was made when.

    recording = read_gesture("user01_led.aedat")        # with user01_led_labels.csv beside it
    for clip in recording.clips:
        clip.label, clip.stream                          # 1..11, times from the clip's start

The csv has the line `class,startTime_usec,endTime_usec` and one line a gesture, on the clock of
the recording.

Source: README of DVS-Gesture (Amir et al. 2017, A low power, fully event-based gesture
recognition system, CVPR).
Oracle: tests/events/readers/test_gesture.py.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import final

from bayesnn_spike.events.errors import EventFileError
from bayesnn_spike.events.readers.aedat3 import read_aedat3
from bayesnn_spike.events.readers.policies import OnBackwards, Refuse
from bayesnn_spike.events.readers.sensors import DVS_GESTURE, Sensor
from bayesnn_spike.events.stream import EventStream

GESTURES = (
    "hand clapping",
    "right hand wave",
    "left hand wave",
    "right arm clockwise",
    "right arm counter clockwise",
    "left arm clockwise",
    "left arm counter clockwise",
    "arm roll",
    "air drums",
    "air guitar",
    "other gestures",
)
"""The names of labels 1 to 11, in order."""

_TITLE = b"class,startTime_usec,endTime_usec"
_REFUSE = Refuse()


@final
@dataclass(frozen=True)
class GestureLabel:
    """One line of the csv.

    Attributes:
        label: 1 to 11, as in the file; `GESTURES[label - 1]` is its name.
        start_us: first microsecond, on the recording's clock.
        stop_us: the microsecond after the last.
    """

    label: int
    start_us: int
    stop_us: int


@final
@dataclass(frozen=True, eq=False)
class Clip:
    """One gesture: its label, 1 to 11, and its events, with times from its start."""

    label: int
    stream: EventStream


@final
@dataclass(frozen=True, eq=False)
class GestureRecording:
    """A whole recording, on its own clock, and its labelled clips in order of time."""

    stream: EventStream
    clips: tuple[Clip, ...]


def read_gesture(
    path: str | os.PathLike[str],
    labels: str | os.PathLike[str] | None = None,
    *,
    sensor: Sensor = DVS_GESTURE,
    on_backwards: OnBackwards = _REFUSE,
) -> GestureRecording:
    """Read a recording and cut it into its clips.

    Args:
        path: the `.aedat` file.
        labels: the csv; left out, `NAME_labels.csv` beside `NAME.aedat`.
        sensor: its size.
        on_backwards: see `read_aedat3`.

    Raises:
        EventFileError: one of the files is damaged, or the csv names a time after the last event,
            which means that the recording was cut short.
        OSError: a file cannot be opened.
    """
    table = labels_beside(path) if labels is None else Path(labels)
    rows = read_gesture_labels(table)
    stream = read_aedat3(path, sensor=sensor, on_backwards=on_backwards)
    clips = []
    for row in rows:
        if row.stop_us > stream.duration_us:
            raise EventFileError(
                path,
                Path(path).stat().st_size,
                f"the last event at {stream.duration_us - 1} us",
                f"events up to {row.stop_us} us, where {table.name} ends gesture {row.label}",
            )
        clips.append(Clip(row.label, stream.slice_time(row.start_us, row.stop_us)))
    return GestureRecording(stream, tuple(clips))


def labels_beside(path: str | os.PathLike[str]) -> Path:
    """Return where the label csv of a recording lies by the data set's naming."""
    return Path(path).with_name(f"{Path(path).stem}_labels.csv")


def read_gesture_labels(path: str | os.PathLike[str]) -> tuple[GestureLabel, ...]:
    """Read the label csv.

    Raises:
        EventFileError: the first line is another one, a line is not three whole numbers, a class
            is not 1 to 11, a gesture ends before it starts or starts before the last one ended,
            or there is none.
        OSError: the file cannot be opened.
    """
    raw = Path(path).read_bytes()
    lines = raw.splitlines(keepends=True)
    if not lines or lines[0].strip() != _TITLE:
        found = repr(lines[0].decode("latin-1")) if lines else "an empty file"
        raise EventFileError(path, 0, found, f"the line {_TITLE.decode()}")
    rows: list[GestureLabel] = []
    offset = len(lines[0])
    for line in lines[1:]:
        if line.strip():
            rows.append(_row(path, offset, line, rows[-1].stop_us if rows else 0))
        offset += len(line)
    if not rows:
        raise EventFileError(path, len(raw), "the end of the file", "at least one gesture")
    return tuple(rows)


def _row(path: str | os.PathLike[str], offset: int, line: bytes, after_us: int) -> GestureLabel:
    """Return one line's label; the gesture must not start before `after_us`."""
    match = re.fullmatch(rb"(\d{1,18}),(\d{1,18}),(\d{1,18})", line.strip())
    found = repr(line.strip().decode("latin-1"))
    if not match:
        raise EventFileError(path, offset, found, "three whole numbers and two commas")
    row = GestureLabel(*(int(number) for number in match.groups()))
    if not 1 <= row.label <= len(GESTURES):
        raise EventFileError(path, offset, found, f"a class from 1 to {len(GESTURES)}")
    if not after_us <= row.start_us < row.stop_us:
        raise EventFileError(
            path, offset, found, f"a start from {after_us} us on and an end after the start"
        )
    return row
