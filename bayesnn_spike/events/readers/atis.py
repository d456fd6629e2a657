"""The 5-byte ATIS code: N-MNIST `.bin` (and `.bs2`), N-Caltech101, DVS-Gesture clips as `.bs2`.

One event is 40 bits, most significant byte first:

    x (8)   y (8)   polarity (1)   microseconds (23)

There is no header, so neither the sensor size nor the number of events is in the file: a file cut
between two events reads as a shorter recording, one cut inside an event is refused.

Overflow marks: the authors' own reader takes an event with y = 240 for a mark that advances the
clock by 2**13 us. The real N-MNIST files that were examined have none, their clock of 23 bits
does not need any in 0.3 s, and a damaged y byte looks just the same. So a mark is refused unless
the caller says `overflow=Advance()`.

Source: Orchard et al. 2015, Converting static image datasets to spiking neuromorphic datasets
using saccades, Frontiers in Neuroscience 9:437.
Oracle: tests/events/readers/test_atis.py.
"""

import os
from pathlib import Path

import numpy as np

from bayesnn_spike.events.errors import EventFileError
from bayesnn_spike.events.readers._check import check_sensor, put_in_order
from bayesnn_spike.events.readers.policies import Advance, OnBackwards, Refuse
from bayesnn_spike.events.readers.sensors import NMNIST, Sensor
from bayesnn_spike.events.stream import EventStream

BYTES = 5
"""Bytes an event."""

OVERFLOW_ROW = 240
"""The y of an overflow mark; no pixel on sensors of up to 240 rows."""

_REFUSE = Refuse()


def read_atis(
    path: str | os.PathLike[str],
    *,
    sensor: Sensor = NMNIST,
    on_backwards: OnBackwards = _REFUSE,
    overflow: Refuse | Advance = _REFUSE,
) -> EventStream:
    """Read one recording. Times are the file's own, from the start of the recording.

    Args:
        path: the file.
        sensor: its size, 34x34 for N-MNIST; `DVS_GESTURE` for DVS-Gesture clips.
        on_backwards: what to do when time runs backwards. A recording longer than 8.39 s wraps:
            `Unwrap(2**23)`.
        overflow: what to do with overflow marks, see above.

    Raises:
        EventFileError: the file is empty or ends inside an event, an event is off the sensor, or
            time runs backwards.
        OSError: the file cannot be opened.
    """
    raw = Path(path).read_bytes()
    whole = len(raw) - len(raw) % BYTES
    if len(raw) == 0 or whole < len(raw):
        found = f"{len(raw) - whole} bytes at the end" if raw else "an empty file"
        raise EventFileError(path, whole, found, f"whole events of {BYTES} bytes, at least one")
    code = np.frombuffer(raw, dtype=np.uint8).reshape(-1, BYTES)
    x, y = code[:, 0], code[:, 1]
    p = code[:, 2] >> 7
    high = code[:, 2:].astype(np.int64)
    t_us = (high[:, 0] & 0x7F) << 16 | high[:, 1] << 8 | high[:, 2]
    place = np.arange(len(code)) * BYTES
    hint = ""
    if sensor.height <= OVERFLOW_ROW:
        mark = y == OVERFLOW_ROW
        match overflow:
            case Advance(step_us):
                t_us = t_us + step_us * np.cumsum(mark)
                x, y, p, t_us, place = (a[~mark] for a in (x, y, p, t_us, place))
            case Refuse():
                marks = int(mark.sum())
                hint = (
                    f"; {marks} events have y = {OVERFLOW_ROW}, which is the code's overflow "
                    "mark: give overflow=Advance() if they are meant so"
                    if marks
                    else ""
                )
    if len(place) == 0:
        raise EventFileError(path, 0, "overflow marks only", "at least one event of a pixel")

    def where(event: int) -> int:
        return int(place[event])

    check_sensor(path, x, y, sensor, where, hint)
    t_us, order = put_in_order(path, t_us, on_backwards, where)
    return EventStream(t_us, x[order], y[order], p[order], sensor.width, sensor.height)
