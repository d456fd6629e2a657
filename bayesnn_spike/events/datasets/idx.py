"""The idx files of MNIST and its relatives, plain or gzipped.

Layout: two zero bytes, a type code (8 = unsigned byte), the number of axes, one big-endian
32-bit size per axis, then the bytes in row-major order.

Source: http://yann.lecun.com/exdb/mnist/ (the section on file formats).
Oracle: tests/events/datasets/test_idx.py.
"""

import gzip
import zlib
from pathlib import Path

import numpy as np

from bayesnn_spike.events.errors import EventFileError


def read_idx(path: Path, *, axes: int) -> np.ndarray:
    """Return the array of an idx file of unsigned bytes.

    Args:
        path: the file; gzip is recognised by its first two bytes.
        axes: how many axes it must have: 3 for images, 1 for labels.

    Raises:
        EventFileError: not an idx file of unsigned bytes with so many axes, cut short, too long,
            or damaged gzip.
    """
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise EventFileError(path, 0, f"damaged gzip ({error})", "a whole gzip file") from error
    magic = bytes([0, 0, 8, axes])
    if data[:4] != magic:
        raise EventFileError(
            path, 0, f"header {data[:4].hex()}", f"{magic.hex()} (unsigned bytes, {axes} axes)"
        )
    start = 4 + 4 * axes
    if len(data) < start:
        raise EventFileError(path, len(data), "the end of the file", f"{axes} sizes, 4 bytes each")
    sizes = [int(size) for size in np.frombuffer(data, ">u4", axes, offset=4)]
    end = start + int(np.prod(sizes, dtype=object))
    if len(data) != end:
        found = f"{len(data)} bytes" if len(data) < end else f"{len(data) - end} bytes too many"
        raise EventFileError(path, min(len(data), end), found, f"{end} bytes for sizes {sizes}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(sizes)
