"""Writers of small files in the true formats, independent of the readers, and plain decoders."""

import struct
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from hypothesis import strategies as st

AEDAT2_HEADER = (
    b"#!AER-DAT2.0\r\n# This is a raw AE data file - do not edit\r\n"
    b"# Data format is int32 address, int32 timestamp (8 bytes total), repeated for each event\r\n"
    b"# Timestamps tick is 1 us\r\n"
)
AEDAT3_HEADER = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n"


class Event(NamedTuple):
    t: int
    x: int
    y: int
    p: int


def event_lists(
    side: int = 34, last_us: int = 300_000, longest: int = 12
) -> st.SearchStrategy[list[Event]]:
    """Lists of one or more events in order of time, with ties."""
    coordinate = st.integers(0, side - 1)
    event = st.builds(Event, st.integers(0, last_us), coordinate, coordinate, st.integers(0, 1))
    return st.lists(event, min_size=1, max_size=longest).map(
        lambda events: sorted(events, key=lambda e: e.t)
    )


def atis_bytes(events: list[Event]) -> bytes:
    return b"".join(
        bytes([e.x, e.y, e.p << 7 | e.t >> 16, e.t >> 8 & 255, e.t & 255]) for e in events
    )


def decode_atis(raw: bytes) -> list[Event]:
    return [
        Event((b & 127) << 16 | c << 8 | d, x, y, b >> 7)
        for x, y, b, c, d in struct.iter_unpack("5B", raw)
    ]


def aedat2_bytes(events: list[Event], header: bytes = AEDAT2_HEADER, start_us: int = 0) -> bytes:
    words = [(e.y << 8 | e.x << 1 | 1 - e.p, start_us + e.t) for e in events]
    return header + b"".join(struct.pack(">II", *word) for word in words)


def packet_bytes(
    events: list[Event],
    *,
    kind: int = 1,
    source: int = 1,
    size: int = 8,
    time_at: int = 4,
    overflow: int = 0,
    capacity: int | None = None,
    number: int | None = None,
    valid: int | None = None,
    invalid: tuple[int, ...] = (),
) -> bytes:
    """One AEDAT 3.1 packet; the fields left as None tell the truth."""
    n = len(events)
    head = struct.pack(
        "<hhiiiiii",
        kind,
        source,
        size,
        time_at,
        overflow,
        n if capacity is None else capacity,
        n if number is None else number,
        n - len(invalid) if valid is None else valid,
    )
    return head + b"".join(
        struct.pack("<Ii", e.x << 17 | e.y << 2 | e.p << 1 | (i not in invalid), e.t)
        for i, e in enumerate(events)
    )


def special_packet(time_us: int, overflow: int = 0) -> bytes:
    return packet_bytes([Event(time_us, 0, 0, 0)], kind=0, overflow=overflow)


def aedat3_bytes(*packets: bytes, header: bytes = AEDAT3_HEADER) -> bytes:
    return header + b"".join(packets)


def decode_aedat3(raw: bytes) -> list[Event]:
    """The polarity events of sound packets, by a plain loop."""
    at, events = raw.index(b"#!END-HEADER\r\n") + 14, []
    while at < len(raw):
        kind, _, size, _, overflow, _, number, _ = struct.unpack_from("<hhiiiiii", raw, at)
        for i in range(number):
            if kind == 1:
                data, time = struct.unpack_from("<Ii", raw, at + 28 + i * size)
                if data & 1:
                    t = time + (overflow << 31)
                    events.append(Event(t, data >> 17, data >> 2 & 0x7FFF, data >> 1 & 1))
        at += 28 + number * size
    return events


def arrays_of(recordings: list[list[Event]], labels: list[int]) -> dict[str, np.ndarray]:
    """The arrays of an npz."""
    flat = [e for events in recordings for e in events]
    return {
        "x": np.array([e.x for e in flat], dtype=np.uint8),
        "y": np.array([e.y for e in flat], dtype=np.uint8),
        "p": np.array([e.p for e in flat], dtype=np.uint8),
        "t": np.array([e.t for e in flat], dtype=np.uint32),
        "offsets": np.cumsum([0, *(len(events) for events in recordings)]),
        "labels": np.array(labels, dtype=np.uint8),
    }


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def write_shd(
    path: Path,
    times: list[list[float]],
    units: list[list[int]],
    labels: list[int],
    *,
    time_dtype: type = np.float16,
    unit_dtype: type = np.uint16,
    leave_out: str = "",
) -> Path:
    """A file with the layout of the published one."""
    with h5py.File(path, "w") as file:
        for key, rows, dtype in (
            ("spikes/times", times, time_dtype),
            ("spikes/units", units, unit_dtype),
        ):
            if key != leave_out:
                data = file.create_dataset(key, (len(rows),), dtype=h5py.vlen_dtype(dtype))
                for i, row in enumerate(rows):
                    data[i] = np.array(row, dtype=dtype)
        if leave_out != "labels":
            file["labels"] = np.array(labels, dtype=np.uint16)
        file["extra/speaker"] = np.arange(len(labels), dtype=np.uint16)
        file["extra/keys"] = np.array([b"zero", b"one"])
    return path
