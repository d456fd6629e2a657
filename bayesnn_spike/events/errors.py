"""The two errors of event data: a stream that makes no sense, and a file that cannot be trusted."""

import os
from pathlib import Path


class EventError(ValueError):
    """Event data or a request about it makes no sense; the message names the event or argument."""


class EventFileError(ValueError):
    """A recording's file cannot be read as what it claims to be. Nothing of it was loaded.

    Attributes:
        path: the file.
        offset: where the trouble starts: a byte offset from the start of the file, or for files
            of named arrays the key and index, such as "spikes/times[3][17]".
        found: what stands there.
        expected: what a sound file has there, and what to do where there is a choice.
    """

    def __init__(
        self, path: str | os.PathLike[str], offset: int | str, found: str, expected: str
    ) -> None:
        where = f"byte {offset}" if isinstance(offset, int) else offset
        super().__init__(f"{os.fspath(path)}: at {where}: found {found}, expected {expected}")
        self.path = Path(path)
        self.offset = offset
        self.found = found
        self.expected = expected

    def __reduce__(self) -> tuple[type["EventFileError"], tuple[Path, int | str, str, str]]:
        # So that a worker process can hand it back.
        return EventFileError, (self.path, self.offset, self.found, self.expected)
