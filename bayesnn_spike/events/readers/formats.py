"""Which reader reads a file: by extension and first bytes, never by trying one after the other."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

from bayesnn_spike.events.errors import EventError, EventFileError
from bayesnn_spike.events.readers import aedat2, aedat3, npz, shd
from bayesnn_spike.events.readers.aedat2 import read_aedat2
from bayesnn_spike.events.readers.aedat3 import read_aedat3
from bayesnn_spike.events.readers.atis import read_atis
from bayesnn_spike.events.readers.npz import read_npz
from bayesnn_spike.events.readers.policies import OnBackwards, Refuse
from bayesnn_spike.events.readers.recordings import Recordings
from bayesnn_spike.events.readers.sensors import COCHLEA, DVS128, NMNIST, Sensor
from bayesnn_spike.events.readers.shd import read_shd
from bayesnn_spike.events.stream import EventStream

_REFUSE = Refuse()
_Path = str | os.PathLike[str]
_Read = Callable[[_Path, Sensor, OnBackwards], EventStream | Recordings]


@final
@dataclass(frozen=True)
class Format:
    """A file format that can be read.

    Attributes:
        name: what to call it in a message.
        extensions: in lower case, with the dot.
        magic: the first bytes; empty for a format without a header.
        sensor: the size it has if the caller gives none.
        sensor_is_fixed: whether the format can have no other size.
        read: the reader, of (path, sensor, on_backwards).
    """

    name: str
    extensions: tuple[str, ...]
    magic: bytes
    sensor: Sensor
    sensor_is_fixed: bool
    read: _Read


# Functions with one signature, not lambdas: a Format travels to worker processes.


def _atis(path: _Path, sensor: Sensor, on_backwards: OnBackwards) -> EventStream:
    return read_atis(path, sensor=sensor, on_backwards=on_backwards)


def _aedat2(path: _Path, _: Sensor, on_backwards: OnBackwards) -> EventStream:
    return read_aedat2(path, on_backwards=on_backwards)


def _aedat3(path: _Path, sensor: Sensor, on_backwards: OnBackwards) -> EventStream:
    return read_aedat3(path, sensor=sensor, on_backwards=on_backwards)


def _shd(path: _Path, _: Sensor, on_backwards: OnBackwards) -> Recordings:
    return read_shd(path, on_backwards=on_backwards)


def _npz(path: _Path, sensor: Sensor, _: OnBackwards) -> Recordings:
    return read_npz(path, sensor=sensor)


ATIS = Format("ATIS 5-byte events", (".bin", ".bs2"), b"", NMNIST, False, _atis)
AEDAT2 = Format("AEDAT 2.0 of the DVS128", (".aedat",), aedat2.MAGIC, DVS128, True, _aedat2)
AEDAT3 = Format("AEDAT 3.1", (".aedat",), aedat3.MAGIC, DVS128, False, _aedat3)
SHD = Format("SHD / SSC HDF5", (".h5", ".hdf5"), shd.MAGIC, COCHLEA, True, _shd)
NPZ = Format("npz of recordings", (".npz",), npz.MAGIC, NMNIST, False, _npz)

FORMATS = (ATIS, AEDAT2, AEDAT3, SHD, NPZ)

_LONGEST = max(len(known.magic) for known in FORMATS)


def read(
    path: str | os.PathLike[str],
    *,
    sensor: Sensor | None = None,
    on_backwards: OnBackwards = _REFUSE,
) -> EventStream | Recordings:
    """Read a file in whichever of the known formats it is.

    Args:
        path: the file.
        sensor: its size; by default the format's usual one (34x34 for `.bin`, `.bs2`, `.npz`).
        on_backwards: what to do when time runs backwards; a `.npz` is always refused.

    Returns:
        One stream, or for `.npz` and `.h5` all recordings in the file.

    Raises:
        EventFileError: no known format (the message says what was seen), or a damaged file.
        EventError: `sensor` is not the one that the format is bound to.
        OSError: the file cannot be opened.
    """
    known = detect(path)
    if sensor is not None and known.sensor_is_fixed and sensor != known.sensor:
        raise EventError(f"{os.fspath(path)}: {known.name} is {known.sensor}, not {sensor}")
    return known.read(path, sensor or known.sensor, on_backwards)


def detect(path: str | os.PathLike[str]) -> Format:
    """Return a file's format, from its extension and its first bytes.

    Raises:
        EventFileError: no known extension, or other first bytes than that extension has.
        OSError: the file cannot be opened.
    """
    with Path(path).open("rb") as file:
        start = file.read(_LONGEST)
    extension = Path(path).suffix.lower()
    candidates = [known for known in FORMATS if extension in known.extensions]
    by_magic = [known for known in FORMATS if known.magic and start.startswith(known.magic)]
    for known in candidates:
        # A format without a header takes a file only if no other format's header is on it.
        if known in by_magic or not (known.magic or by_magic):
            return known
    seen = f"extension {extension!r} and first bytes {start!r}"
    if by_magic:
        seen += f" ({by_magic[0].name})"
    expected = "; ".join(
        f"{known.name}: {'/'.join(known.extensions)}"
        + (f" starting with {known.magic!r}" if known.magic else "")
        for known in candidates or FORMATS
    )
    raise EventFileError(path, 0, seen, expected)
