"""Spiking Heidelberg Digits and Spiking Speech Commands: HDF5 with ragged arrays.

    spikes/times   [n] vectors of float, seconds
    spikes/units   [n] vectors of integers, channel 0..699
    labels         [n] integers
    extra/...      speaker [n]; keys, the names of the classes; may be missing

A channel is a pixel of a 700 x 1 sensor with one polarity (p = 0). The published files store
float16 seconds, whose steps near 1 s are almost a millisecond: times are taken to float64
before they become microseconds.

Source: Cramer et al. 2022, The Heidelberg spiking data sets for the systematic evaluation of
spiking neural networks, IEEE TNNLS 33(7).
Oracle: tests/events/readers/test_shd.py.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesnn_spike.events.errors import EventError, EventFileError
from bayesnn_spike.events.readers._check import put_in_order
from bayesnn_spike.events.readers.policies import OnBackwards, Refuse
from bayesnn_spike.events.readers.recordings import Recordings, check_recordings
from bayesnn_spike.events.readers.sensors import COCHLEA

MAGIC = b"\x89HDF\r\n\x1a\n"

_TIMES, _UNITS, _LABELS, _EXTRA = "spikes/times", "spikes/units", "labels", "extra"
_REFUSE = Refuse()


def read_shd(
    path: str | os.PathLike[str],
    *,
    indices: Sequence[int] | None = None,
    on_backwards: OnBackwards = _REFUSE,
) -> Recordings:
    """Read recordings of SHD or SSC; needs h5py (the extra `hdf5`).

    Args:
        path: the unpacked `.h5` file.
        indices: which recordings, in ascending order; all by default. SSC's training file holds
            about 600 million events.
        on_backwards: what to do when time runs backwards inside a recording.

    Returns:
        The recordings; `fields` holds `speaker` of those recordings and `keys`, the class names,
        if the file has them.

    Raises:
        EventError: an index is not in the file, or they do not ascend.
        EventFileError: no sound HDF5 file, an array that is missing or of the wrong kind or
            length, a channel outside 0..699, a time that is negative or not finite, or time
            running backwards.
        OSError: the file cannot be opened.
        ModuleNotFoundError: h5py is not installed.
    """
    import h5py

    with Path(path).open("rb") as file:
        start = file.read(len(MAGIC))
    if start != MAGIC:
        raise EventFileError(path, 0, repr(start), f"{MAGIC!r}, the start of an HDF5 file")
    try:
        with h5py.File(path, "r") as file:
            return _read(path, file, indices, on_backwards)
    except (EventError, EventFileError):
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        found = f"{type(error).__name__}: {error}"
        raise EventFileError(path, "its structure", found, "a sound HDF5 file") from error


def _read(
    path: str | os.PathLike[str], file: Any, indices: Sequence[int] | None, policy: OnBackwards
) -> Recordings:
    """Read the open file."""
    for key in (_LABELS, _TIMES, _UNITS):
        if key not in file or not hasattr(file[key], "shape"):
            raise EventFileError(path, f"key {key!r}", "nothing", f"an array; keys: {list(file)}")
        if file[key].ndim != 1 or len(file[key]) != len(file[_LABELS]):
            found, wanted = f"shape {file[key].shape}", f"one value a label, {len(file[_LABELS])}"
            raise EventFileError(path, f"key {key!r}", found, wanted)
    labels = file[_LABELS][()]
    if labels.dtype.kind not in "iu":
        raise EventFileError(path, f"key {_LABELS!r}", f"{labels.dtype}", "integers")
    chosen = _chosen(indices, len(labels))
    units, times, offsets = [], [], np.zeros(len(chosen) + 1, dtype=np.int64)
    for row, index in enumerate(chosen):
        unit, t_us = _recording(path, file, int(index), policy)
        units.append(unit)
        times.append(t_us)
        offsets[row + 1] = offsets[row] + len(unit)
    x = np.concatenate([np.zeros(0, dtype=np.uint16), *units])
    t_us = np.concatenate([np.zeros(0, dtype=np.uint32), *times])
    nowhere = np.broadcast_to(np.zeros(1, dtype=np.uint8), x.shape)
    recordings = Recordings(
        Path(path),
        x,
        nowhere.copy(),
        nowhere.copy(),
        t_us,
        offsets,
        labels[chosen].astype(np.int64),
        COCHLEA,
        polarities=1,
        fields=_fields(path, file, chosen, len(labels)),
    )

    def place(key: str, event: int) -> str:
        row = int(np.searchsorted(offsets, event, side="right")) - 1
        return f"{key}[{chosen[row]}][{event - offsets[row]}]"

    keys = {"x": _UNITS, "y": _UNITS, "p": _UNITS, "t": _TIMES}
    return check_recordings(
        recordings,
        {name: lambda event, key=key: place(key, event) for name, key in keys.items()},
    )


def _chosen(indices: Sequence[int] | None, number: int) -> NDArray[np.int64]:
    """Return the recordings to read, ascending."""
    if indices is None:
        return np.arange(number)
    chosen = np.asarray(indices, dtype=np.int64).reshape(-1)
    if (chosen < 0).any() or (chosen >= number).any() or (np.diff(chosen) <= 0).any():
        raise EventError(f"indices must ascend and lie in [0, {number}), got {list(indices)}")
    return chosen


def _recording(
    path: str | os.PathLike[str], file: Any, index: int, policy: OnBackwards
) -> tuple[NDArray[np.uint16], NDArray[np.uint32]]:
    """Return channels and microseconds of one recording, `[events]` each, in order of time."""
    seconds, units = np.asarray(file[_TIMES][index]), np.asarray(file[_UNITS][index])
    for key, array, kinds, expected in (
        (_TIMES, seconds, "f", "a vector of floats"),
        (_UNITS, units, "iu", "a vector of integers"),
    ):
        if array.ndim != 1 or array.dtype.kind not in kinds:
            found = f"{array.dtype} of shape {array.shape}"
            raise EventFileError(path, f"{key}[{index}]", found, expected)
    if len(seconds) != len(units):
        found = f"{len(units)} channels"
        raise EventFileError(path, f"{_UNITS}[{index}]", found, f"{len(seconds)}, one a time")
    seconds = seconds.astype(np.float64)
    # 4,000 s is far beyond a spoken word, and the last time that 32 bits of microseconds hold.
    wrong = ~((seconds >= 0) & (seconds < 4000))
    if wrong.any():
        at = int(wrong.argmax())
        found = f"{seconds[at]} s"
        raise EventFileError(path, f"{_TIMES}[{index}][{at}]", found, "a time from 0 to 4000 s")
    outside = (units < 0) | (units >= COCHLEA.width)
    if outside.any():
        at = int(outside.argmax())
        found, wanted = f"channel {units[at]}", f"0 to {COCHLEA.width - 1}"
        raise EventFileError(path, f"{_UNITS}[{index}][{at}]", found, wanted)
    t_us, order = put_in_order(
        path, np.rint(seconds * 1e6).astype(np.int64), policy, lambda at: f"{_TIMES}[{index}][{at}]"
    )
    return units[order].astype(np.uint16), t_us.astype(np.uint32)


def _fields(
    path: str | os.PathLike[str], file: Any, chosen: NDArray[np.int64], number: int
) -> dict[str, NDArray[Any]]:
    """Return speaker and class names, if the file has them."""
    fields = {}
    if f"{_EXTRA}/speaker" in file:
        speaker = file[f"{_EXTRA}/speaker"][()]
        if speaker.shape != (number,):
            found = f"shape {speaker.shape}"
            raise EventFileError(path, f"key '{_EXTRA}/speaker'", found, f"({number},)")
        fields["speaker"] = speaker[chosen]
    if f"{_EXTRA}/keys" in file:
        names = file[f"{_EXTRA}/keys"][()]
        fields["keys"] = np.array([n.decode() if isinstance(n, bytes) else str(n) for n in names])
    return fields
