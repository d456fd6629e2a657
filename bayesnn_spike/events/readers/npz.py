"""Many recordings in one `.npz`: flat arrays and offsets.

    x, y, p, t   [events] integers; t in microseconds; p = 1 ON, 0 OFF
    offsets      [n + 1]; recording i is the slice offsets[i]:offsets[i + 1]
    labels       [n] integers; may be missing
    others       kept as they are in `Recordings.fields`

Every array is read whole, so that its checksum is verified; nothing is unpickled.

Oracle: tests/events/readers/test_npz.py.
"""

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesnn_spike.events.errors import EventFileError
from bayesnn_spike.events.readers.recordings import Recordings, check_recordings
from bayesnn_spike.events.readers.sensors import NMNIST, Sensor

MAGIC = b"PK\x03\x04"

_EVENTS = ("x", "y", "p", "t")
_SUFFIX = ".npy"
_LAST_RECORD, _COUNT_AT, _COUNT = 22, 10, struct.Struct("<H")
"""Size of a zip's last record without the comment, and where in it the number of members is."""


def read_npz(path: str | os.PathLike[str], *, sensor: Sensor = NMNIST) -> Recordings:
    """Read all recordings of a file.

    Args:
        path: the file.
        sensor: its size, which the file does not hold; 34x34 by default.

    Raises:
        EventFileError: no sound npz, an array that is missing, not a vector of integers or of
            the wrong length, offsets that do not cover the events in order, an event off the
            sensor, or time running backwards inside a recording.
        OSError: the file cannot be opened.
    """
    arrays = _load(path)
    for name in (*_EVENTS, "offsets"):
        if name not in arrays:
            raise EventFileError(
                path, f"key {name!r}", "nothing", f"an array; keys: {list(arrays)}"
            )
        _require_vector(path, name, arrays[name])
    events = len(arrays["x"])
    for name in _EVENTS:
        if len(arrays[name]) != events:
            found = f"{len(arrays[name])} values"
            raise EventFileError(path, f"key {name!r}", found, f"{events}, as many as 'x' has")
    offsets = _offsets(path, arrays["offsets"], events)
    labels = arrays.get("labels")
    if labels is not None:
        _require_vector(path, "labels", labels)
        if len(labels) != len(offsets) - 1:
            found, wanted = f"{len(labels)} values", f"{len(offsets) - 1}, one a recording"
            raise EventFileError(path, "key 'labels'", found, wanted)
        labels = labels.astype(np.int64)
    known = {*_EVENTS, "offsets", "labels"}
    recordings = Recordings(
        Path(path),
        *(arrays[name] for name in _EVENTS),
        offsets=offsets,
        labels=labels,
        sensor=sensor,
        fields={name: array for name, array in arrays.items() if name not in known},
    )

    def place(name: str, event: int) -> str:
        recording = int(np.searchsorted(offsets, event, side="right")) - 1
        return f"key {name!r}, index {event} (recording {recording})"

    return check_recordings(
        recordings, {name: lambda event, name=name: place(name, event) for name in _EVENTS}
    )


def _load(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """Return the arrays by name; member by member, so that each checksum is verified."""
    raw = Path(path).read_bytes()
    if not raw.startswith(MAGIC):
        raise EventFileError(path, 0, repr(raw[:4]), f"{MAGIC!r}, the start of an npz file")
    arrays = {}
    key = "the list of arrays"
    # A damaged zip raises whatever its first reader of nonsense raises.
    damage = (
        *(zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, KeyError),
        *(NotImplementedError, RuntimeError, IndexError, OverflowError, MemoryError),
    )
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            _check_count(raw, archive)
            for name in archive.namelist():
                key = f"key {name.removesuffix(_SUFFIX)!r}"
                if not name.endswith(_SUFFIX):
                    raise ValueError(f"a member {name!r} that is no array")
                if name.removesuffix(_SUFFIX) in arrays:
                    raise ValueError("this array twice")
                member = io.BytesIO(archive.read(name))
                array = np.lib.format.read_array(member, allow_pickle=False)
                if member.read(1):
                    raise ValueError("bytes after the end of the array")
                arrays[name.removesuffix(_SUFFIX)] = array
    except damage as error:
        found = f"{type(error).__name__}: {error}"
        raise EventFileError(path, key, found, "a sound npz file of arrays") from error
    return arrays


def _check_count(raw: bytes, archive: zipfile.ZipFile) -> None:
    """Raise ValueError unless the archive has as many members as its last record says.

    zipfile does not look, and damage to one entry of the list can swallow the next entry: the
    labels would be missing, and nothing would say so.
    """
    (count,) = _COUNT.unpack_from(raw, len(raw) - len(archive.comment) - _LAST_RECORD + _COUNT_AT)
    if count != len(archive.namelist()):
        raise ValueError(f"{len(archive.namelist())} arrays in a list of {count}")


def _require_vector(path: str | os.PathLike[str], name: str, array: NDArray[Any]) -> None:
    """Raise EventFileError unless `array` is one-dimensional and integer."""
    if array.ndim != 1 or array.dtype.kind not in "iu":
        found = f"{array.dtype} of shape {array.shape}"
        raise EventFileError(path, f"key {name!r}", found, "a vector of integers")


def _offsets(
    path: str | os.PathLike[str], offsets: NDArray[np.integer[Any]], events: int
) -> NDArray[np.int64]:
    """Return the offsets as int64, after checking that they cover the events in order."""
    if len(offsets) == 0 or offsets[0] != 0:
        found = f"{offsets[0]}" if len(offsets) else "nothing"
        raise EventFileError(path, "key 'offsets', index 0", found, "0")
    if offsets[-1] != events:
        where = f"key 'offsets', index {len(offsets) - 1}"
        raise EventFileError(path, where, f"{offsets[-1]}", f"{events}, the number of events")
    falls = offsets[1:] < offsets[:-1]
    if falls.any():
        at = int(falls.argmax()) + 1
        found, wanted = f"{offsets[at]}", f"at least {offsets[at - 1]}, the offset before it"
        raise EventFileError(path, f"key 'offsets', index {at}", found, wanted)
    return offsets.astype(np.int64)
