"""The comment lines at the top of AEDAT files."""

import os
import re
from collections.abc import Iterator

from bayesnn_spike.events.errors import EventFileError

_NO_TEXT = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def comment_lines(path: str | os.PathLike[str], raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (byte offset, line with its newline) for each line at the top that starts with `#`.

    Raises:
        EventFileError: the last line has no end, or a line holds a byte that no text has. Events
            of these formats have zero bytes, so a damaged newline cannot swallow any of them.
    """
    start = 0
    while raw[start : start + 1] == b"#":
        end = raw.find(b"\n", start) + 1
        line = raw[start:end] if end else raw[start:]
        strange = _NO_TEXT.search(line)
        if strange:
            found = f"byte 0x{line[strange.start()]:02x} in a comment line"
            raise EventFileError(path, start + strange.start(), found, "text")
        if not end:
            raise EventFileError(path, len(raw), "the end of the file", "the end of a comment line")
        yield start, line
        start = end
