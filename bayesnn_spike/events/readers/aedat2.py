r"""AEDAT 2.0 of the DVS128: MNIST-DVS, CIFAR10-DVS, and whatever jAER recorded with that camera.

Comment lines that start with `#` (the first is `#!AER-DAT2.0`), then 8 bytes an event, big-endian:

    address (32)   microseconds (32, a free-running counter)
    address = special (bits 31, 15)   y (bits 14..8)   x (bits 7..1)   polarity (bit 0)

- Polarity: bit 0 is 0 for ON and 1 for OFF, so p = 1 - bit (jAER's DVS128 extractor says so, and
  the data sets' own scripts do the same).
- Pixels are the file's addresses, unturned. jAER shows x mirrored and y upwards, and
  CIFAR10-DVS was filmed with the camera on its side; turning the picture is the data set's affair.
- Times are shifted so that the first event is at 0: the counter starts anywhere.
- The AEDAT 2.0 of other chips (DAVIS) has other addresses. A header that names another chip is
  refused; one that names none is taken for a DVS128, as in the two data sets.

Source: jAER, ch.unizh.ini.jaer.chip.retina.DVS128.Extractor.
Oracle: tests/events/readers/test_aedat2.py.
"""

import os
import re
from pathlib import Path

import numpy as np

from bayesnn_spike.events.errors import EventFileError
from bayesnn_spike.events.readers._check import put_in_order
from bayesnn_spike.events.readers._header import comment_lines
from bayesnn_spike.events.readers.policies import Drop, OnBackwards, Refuse
from bayesnn_spike.events.readers.sensors import DVS128
from bayesnn_spike.events.stream import EventStream

MAGIC = b"#!AER-DAT2.0"
BYTES = 8
"""Bytes an event."""

_SPECIAL = 0x8000_8000
_PIXEL = 0x0000_7FFF
_END = b"#End Of ASCII Header"
_REFUSE = Refuse()


def read_aedat2(
    path: str | os.PathLike[str],
    *,
    on_backwards: OnBackwards = _REFUSE,
    on_special: Refuse | Drop = _REFUSE,
) -> EventStream:
    """Read one DVS128 recording, times from its first event.

    Args:
        path: the file.
        on_backwards: what to do when time runs backwards. The counter of a recording that
            crosses 2**32 us wraps: `Unwrap(2**32)`.
        on_special: what to do with special events (synchronisation marks).

    Raises:
        EventFileError: the header is not AEDAT 2.0 of a DVS128, the file has no event or ends
            inside one, an address is special or not of a DVS128, or time runs backwards.
        OSError: the file cannot be opened.
    """
    raw = Path(path).read_bytes()
    start = _read_header(path, raw)
    whole = len(raw) - (len(raw) - start) % BYTES
    if whole < len(raw) or whole == start:
        found = f"{len(raw) - whole} bytes at the end" if whole < len(raw) else "the end of file"
        raise EventFileError(path, whole, found, f"whole events of {BYTES} bytes, at least one")
    words = np.frombuffer(raw, dtype=">u4", offset=start).reshape(-1, 2).astype(np.int64)
    address, t_us = words[:, 0], words[:, 1]
    place = start + np.arange(len(words)) * BYTES
    special = (address & _SPECIAL) != 0
    if isinstance(on_special, Drop):
        address, t_us, place = address[~special], t_us[~special], place[~special]
        if len(place) == 0:
            raise EventFileError(path, start, "special events only", "at least one pixel's event")
    wrong = (address & ~_PIXEL) != 0
    if wrong.any():
        event = int(wrong.argmax())
        is_special = bool(address[event] & _SPECIAL) and not address[event] & ~(_SPECIAL | _PIXEL)
        raise EventFileError(
            path,
            int(place[event]),
            f"event {event} with address 0x{address[event]:08x}"
            + (" (a special event)" if is_special else ""),
            f"a DVS128 pixel's address, 0x00000000 to 0x{_PIXEL:08x}"
            + ("; give on_special=Drop() to leave these events out" if is_special else ""),
        )
    t_us, order = put_in_order(path, t_us, on_backwards, lambda event: int(place[event]))
    address = address[order]
    return EventStream(
        t_us - t_us[0],
        address >> 1 & 0x7F,
        address >> 8 & 0x7F,
        1 - (address & 1),
        DVS128.width,
        DVS128.height,
    )


def _read_header(path: str | os.PathLike[str], raw: bytes) -> int:
    """Check the comment lines and return the byte where the events start."""
    if not re.match(re.escape(MAGIC) + rb"\r?\n", raw):
        raise EventFileError(path, 0, repr(raw[:16]), f"the line {MAGIC.decode()}")
    end = 0
    for start, line in comment_lines(path, raw):
        end = start + len(line)
        _check_line(path, start, line.rstrip(b"\r\n"))
        if line.startswith(_END):
            break
    return end


_RULES = (
    (re.compile(rb"# ?AEChip: *(.*)"), re.compile(rb"(.*\.)?(DVS128\w*|Tmpdiff128)"), "a DVS128"),
    (
        re.compile(rb"# ?Timestamps tick(?: is)?:? *(.*)"),
        re.compile(rb"1 ?us"),
        "timestamps of 1 us",
    ),
    (
        re.compile(rb"# ?Data format is *(.*)"),
        re.compile(rb"int32 address, int32 timestamp.*"),
        "int32 address, int32 timestamp",
    ),
)


def _check_line(path: str | os.PathLike[str], offset: int, line: bytes) -> None:
    """Raise EventFileError if a comment says that the events are coded in another way."""
    for subject, wanted, expected in _RULES:
        match = subject.fullmatch(line)
        if match and not wanted.fullmatch(match.group(1).strip()):
            raise EventFileError(path, offset, repr(line.decode("latin-1")), expected)
