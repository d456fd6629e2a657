"""Recordings in a folder, and one loop over recordings wherever they are."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

from bayesnn_spike.events.errors import EventError
from bayesnn_spike.events.readers.formats import AEDAT3, FORMATS, Format, detect, read
from bayesnn_spike.events.readers.gesture import labels_beside, read_gesture
from bayesnn_spike.events.readers.policies import OnBackwards, Refuse
from bayesnn_spike.events.readers.recordings import Recordings
from bayesnn_spike.events.readers.sensors import Sensor
from bayesnn_spike.events.stream import EventStream

_REFUSE = Refuse()


@final
@dataclass(frozen=True)
class Entry:
    """A file that can be read.

    Attributes:
        path: the file.
        format: its format.
        label: the name of the subfolder it lies in, as N-MNIST sorts `Train/0` to `Train/9`, or
            None for a file in the scanned folder itself.
    """

    path: Path
    format: Format
    label: str | None

    def read(
        self, *, sensor: Sensor | None = None, on_backwards: OnBackwards = _REFUSE
    ) -> EventStream | Recordings:
        """Read the file; see `read`."""
        return read(self.path, sensor=sensor, on_backwards=on_backwards)


@final
@dataclass(frozen=True, eq=False)
class Recording:
    """One recording.

    Attributes:
        name: the file, with the number of the recording in it if it holds several.
        label: what the file, its label csv or its folder says; None if nothing does.
        stream: the events.
    """

    name: str
    label: str | None
    stream: EventStream


def scan(folder: str | os.PathLike[str]) -> tuple[Entry, ...]:
    """List the recordings under a folder, at any depth, sorted by path.

    Files of other extensions and hidden files are passed over.

    Raises:
        EventError: not a folder, or no recording in it.
        EventFileError: a file has the extension of a recording but not its first bytes.
    """
    root = Path(folder)
    if not root.is_dir():
        raise EventError(f"{root} is not a folder")
    extensions = {extension for known in FORMATS for extension in known.extensions}
    entries = []
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        hidden = any(part.startswith((".", "__MACOSX")) for part in inside.parts)
        if path.suffix.lower() in extensions and not hidden and path.is_file():
            label = path.parent.name if len(inside.parts) > 1 else None
            entries.append(Entry(path, detect(path), label))
    if not entries:
        raise EventError(f"no recording under {root}: looked for {sorted(extensions)}")
    return tuple(entries)


def iterate(
    path: str | os.PathLike[str],
    *,
    sensor: Sensor | None = None,
    on_backwards: OnBackwards = _REFUSE,
) -> Iterator[Recording]:
    """Yield every recording of a file or a folder, labelled if anything says its label.

    A file of many recordings yields each; an AEDAT 3.1 file with its DVS-Gesture csv beside it
    yields its clips (label "1" to "11").

    Raises:
        EventError, EventFileError, OSError: as `scan` and `read`, when it gets there.
    """
    root = Path(path)
    entries = scan(root) if root.is_dir() else (Entry(root, detect(root), None),)
    for entry in entries:
        if entry.format == AEDAT3 and labels_beside(entry.path).exists():
            size = sensor or entry.format.sensor
            whole = read_gesture(entry.path, sensor=size, on_backwards=on_backwards)
            for number, clip in enumerate(whole.clips):
                yield Recording(f"{entry.path}[{number}]", str(clip.label), clip.stream)
            continue
        content = entry.read(sensor=sensor, on_backwards=on_backwards)
        if isinstance(content, EventStream):
            yield Recording(str(entry.path), entry.label, content)
            continue
        for number, stream in enumerate(content):
            label = entry.label if content.labels is None else str(content.labels[number])
            yield Recording(f"{entry.path}[{number}]", label, stream)
