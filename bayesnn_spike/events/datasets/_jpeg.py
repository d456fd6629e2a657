"""JPEG to pixels, through Pillow. It is imported only when an image is decoded.

Oracle: tests/events/datasets/test_jpeg.py.
"""

from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

from bayesnn_spike.events.datasets.dataset import DataSetError
from bayesnn_spike.events.errors import EventFileError


def pillow() -> ModuleType:
    """Return `PIL.Image`.

    Raises:
        DataSetError: Pillow is not installed; names the extra to install.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise DataSetError(
            "reading JPEG files needs Pillow, which is not installed: "
            "pip install 'bayesnn_spike[images]'"
        ) from error
    return Image


def decode(data: bytes, path: Path, offset: int | str = 0) -> Any:
    """Return a JPEG as a Pillow image in RGB; grey and CMYK images are turned into it.

    Args:
        data: the bytes of the JPEG.
        path: the file they are from, for the error.
        offset: where in the file, for the error.

    Raises:
        EventFileError: the bytes are no whole JPEG.
        DataSetError: Pillow is not installed.
    """
    image = pillow()
    try:
        with image.open(BytesIO(data), formats=("JPEG",)) as opened:
            return opened.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise EventFileError(path, offset, f"damaged JPEG ({error})", "a whole JPEG") from error
