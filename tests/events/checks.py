"""What the reader tests ask again and again."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bayesnn_spike.events import EventFileError, EventStream
from tests.events.formats import Event


def make(events: list[Event], **sizes: int) -> EventStream:
    """A stream of these events, on a 34x34 sensor unless said otherwise."""
    columns = [np.array([e[i] for e in events], dtype=np.int64) for i in range(4)]
    return EventStream(*columns, **{"width": 34, "height": 34} | sizes)


def listed(stream: EventStream) -> list[Event]:
    """The events of a stream as a list."""
    columns = (stream.t_us, stream.x, stream.y, stream.p)
    return [Event(*row) for row in zip(*(c.tolist() for c in columns), strict=True)]


def put(path: Path, raw: bytes) -> Path:
    """Write the bytes and return the path."""
    path.write_bytes(raw)
    return path


def explained(error: EventFileError, path: Path) -> EventFileError:
    """The error, after checking that it says all it should."""
    assert error.path == path
    for part in (str(path), error.found, error.expected):
        assert part
        assert part in str(error)
    if isinstance(error.offset, int):
        assert 0 <= error.offset <= path.stat().st_size
        assert f"byte {error.offset}:" in str(error)
    else:
        assert error.offset in str(error)
    return error


def refusal(read, path: Path) -> EventFileError:
    """The refusal of a file, which must come."""
    with pytest.raises(EventFileError) as caught:
        read(path)
    return explained(caught.value, path)


def read_or_refused(read, path: Path) -> EventStream | None:
    """The stream, or None if the file is refused; any other exception is a failure."""
    try:
        return read(path)
    except EventFileError as error:
        explained(error, path)
        return None


def damaged(raw: bytes, text: int = 0) -> Iterator[tuple[int, bytes]]:
    """Each byte in turn with each bit flipped, and as each byte that means something in a file.

    The first `text` bytes are comment, where a few values do.
    """
    for at, byte in enumerate(raw):
        flips = (byte ^ 1 << bit for bit in range(8))
        values = {byte ^ 1, 0, 10} if at < text else {*flips, 0, 10, 35, 240, 255}
        for value in sorted(values - {byte}):
            yield at, raw[:at] + bytes([value]) + raw[at + 1 :]
