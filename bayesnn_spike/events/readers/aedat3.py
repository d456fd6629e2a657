r"""AEDAT 3.1, the packets of cAER: DVS-Gesture's recordings.

Text lines from `#!AER-DAT3.1` to `#!END-HEADER`, then packets, little-endian: a header of 28 bytes

    type (16)  source (16)  event size (32)  offset of the time in an event (32)
    time overflow (32)  capacity (32)  number (32)  valid (32)

and `number` events. A polarity event (type 1) is 8 bytes:

    x (bits 31..17)  y (bits 16..2)  polarity (bit 1, ON = 1)  valid (bit 0)  |  time (32)

and its time in microseconds is overflow * 2**31 + time. Packets of other types are stepped over,
events marked invalid are left out; both are what the format asks for. Files hold only the part
of a packet that is filled: capacity = number.

Pixels and times are the file's own: DVS-Gesture's labels refer to these times.

Source: the format's description at inivation, and the README of DVS-Gesture (Amir et al. 2017).
Oracle: tests/events/readers/test_aedat3.py.
"""

import os
import re
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayesnn_spike.events.errors import EventFileError
from bayesnn_spike.events.readers._check import check_sensor, put_in_order
from bayesnn_spike.events.readers._header import comment_lines
from bayesnn_spike.events.readers.policies import OnBackwards, Refuse
from bayesnn_spike.events.readers.sensors import DVS128, Sensor
from bayesnn_spike.events.stream import EventStream

MAGIC = b"#!AER-DAT3.1"

_END = b"#!END-HEADER"
_HEADER = struct.Struct("<hhiiiiii")
_POLARITY, _TYPES = 1, 14
_SIZE, _TIME_AT = 8, 4
_REFUSE = Refuse()


class _Packet(NamedTuple):
    """One packet: `start` is the byte where its header starts."""

    start: int
    kind: int
    source: int
    size: int
    time_at: int
    overflow: int
    capacity: int
    number: int
    valid: int

    @property
    def data(self) -> int:
        """The byte where the events start."""
        return self.start + _HEADER.size

    @property
    def end(self) -> int:
        """The byte after the last event."""
        return self.data + self.number * self.size


def read_aedat3(
    path: str | os.PathLike[str],
    *,
    sensor: Sensor = DVS128,
    on_backwards: OnBackwards = _REFUSE,
) -> EventStream:
    """Read the polarity events of a recording, at the file's own times.

    Args:
        path: the file.
        sensor: its size, 128x128 for DVS-Gesture.
        on_backwards: what to do when time runs backwards, as after a reset of the clock.

    Raises:
        EventFileError: the header is not AEDAT 3.1, a packet's header contradicts itself or its
            events, the file ends inside a packet, there is no polarity event, two cameras are
            mixed, an event is off the sensor, or time runs backwards.
        OSError: the file cannot be opened.
    """
    raw = Path(path).read_bytes()
    packets = _packets(path, raw, _read_header(path, raw))
    if not packets:
        raise EventFileError(path, len(raw), "the end of the file", "a packet of polarity events")
    words = [
        np.frombuffer(raw, "<u4", 2 * packet.number, packet.data).reshape(-1, 2)
        for packet in packets
    ]
    for packet, events in zip(packets, words, strict=True):
        _check_events(path, packet, events)
    numbers = [packet.number for packet in packets]
    first = np.repeat([packet.data for packet in packets], numbers)
    place = first + _SIZE * np.concatenate([np.arange(number) for number in numbers])
    data, time = np.concatenate(words).astype(np.int64).T
    t_us = time + (np.repeat([packet.overflow for packet in packets], numbers) << 31)
    valid = (data & 1) == 1
    data, t_us, place = data[valid], t_us[valid], place[valid]
    if len(data) == 0:
        raise EventFileError(path, packets[0].data, "invalid events only", "a valid event")
    x, y, p = data >> 17, data >> 2 & 0x7FFF, data >> 1 & 1

    def where(event: int) -> int:
        return int(place[event])

    check_sensor(path, x, y, sensor, where)
    t_us, order = put_in_order(path, t_us, on_backwards, where)
    return EventStream(t_us, x[order], y[order], p[order], sensor.width, sensor.height)


def _read_header(path: str | os.PathLike[str], raw: bytes) -> int:
    """Check the text lines and return the byte where the packets start."""
    if not re.match(re.escape(MAGIC) + rb"\r?\n", raw):
        raise EventFileError(path, 0, repr(raw[:16]), f"the line {MAGIC.decode()}")
    end = 0
    for start, line in comment_lines(path, raw):
        end = start + len(line)
        if line.rstrip(b"\r\n") == _END:
            return end
        code = re.match(rb"#Format: *([^\r\n]*)", line)
        if code and code.group(1).strip() != b"RAW":
            raise EventFileError(path, start, repr(line.decode("latin-1")), "#Format: RAW")
    raise EventFileError(path, end, repr(raw[end : end + 12]), f"the line {_END.decode()}")


def _packets(path: str | os.PathLike[str], raw: bytes, start: int) -> list[_Packet]:
    """Return the polarity packets, after checking the header and the end of every packet."""
    packets: list[_Packet] = []
    overflow = None
    while start < len(raw):
        if len(raw) - start < _HEADER.size:
            found = f"{len(raw) - start} bytes"
            raise EventFileError(path, start, found, f"a packet header of {_HEADER.size} bytes")
        packet = _Packet(start, *_HEADER.unpack_from(raw, start))
        _check_packet(path, packet, overflow)
        if packet.end > len(raw):
            raise EventFileError(
                path,
                packet.data,
                f"{len(raw) - packet.data} bytes",
                f"{packet.number} events of {packet.size} bytes",
            )
        if packet.kind == _POLARITY:
            if packets and packet.source != packets[0].source:
                raise EventFileError(
                    path, start + 2, f"source {packet.source}", f"source {packets[0].source} only"
                )
            packets.append(packet)
        start, overflow = packet.end, packet.overflow
    return packets


def _check_packet(path: str | os.PathLike[str], packet: _Packet, overflow: int | None) -> None:
    """Raise EventFileError unless a packet's header makes sense by itself and after the last.

    The clock's rounds of 2**31 us (36 minutes) are counted one by one. A count that falls is a
    reset of the clock, which the caller's `on_backwards` judges.
    """
    rounds = 2**31 - 1 if overflow is None else overflow + 1
    _require(path, packet, 0, "type", packet.kind, range(_TYPES))
    if packet.kind == _POLARITY:
        _require(path, packet, 4, "event size", packet.size, range(_SIZE, _SIZE + 1))
        _require(path, packet, 8, "time offset", packet.time_at, range(_TIME_AT, _TIME_AT + 1))
    else:
        _require(path, packet, 4, "event size", packet.size, range(1, 2**31))
        _require(path, packet, 8, "time offset", packet.time_at, range(packet.size))
    _require(path, packet, 12, "time overflow", packet.overflow, range(rounds + 1))
    _require(path, packet, 20, "number", packet.number, range(2**31))
    only = range(packet.number, packet.number + 1)
    _require(path, packet, 16, "capacity", packet.capacity, only)
    _require(path, packet, 24, "valid", packet.valid, range(packet.number + 1))


def _require(
    path: str | os.PathLike[str], packet: _Packet, at: int, name: str, value: int, allowed: range
) -> None:
    """Raise EventFileError unless a header field, `at` bytes into the header, is `allowed`."""
    if value not in allowed:
        low, high = allowed[0], allowed[-1]
        expected = f"{low}" if low == high else f"{low} to {high}"
        raise EventFileError(path, packet.start + at, f"packet {name} {value}", expected)


def _check_events(
    path: str | os.PathLike[str], packet: _Packet, events: NDArray[np.uint32]
) -> None:
    """Raise EventFileError unless the valid marks and the times fit; `events` is `[n, 2]`."""
    valid = int((events[:, 0] & 1).sum())
    if valid != packet.valid:
        raise EventFileError(
            path, packet.start + 24, f"valid {packet.valid}", f"{valid}, the valid events"
        )
    negative = events[:, 1] >= 2**31
    if negative.any():
        event = int(negative.argmax())
        raise EventFileError(
            path,
            packet.data + _SIZE * event + 4,
            f"time 0x{events[event, 1]:08x}",
            "a time below 0x80000000",
        )
