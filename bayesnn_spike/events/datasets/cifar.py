"""`cifar10` and `cifar100` from the official binary version: records of labels and 3,072 pixels.

CIFAR-10: one label byte; CIFAR-100: a coarse and a fine label byte. The pixels are a red, a green
and a blue plane of 32 x 32 bytes. The Python version of the data is never read: it is pickled.

Source: https://www.cs.toronto.edu/~kriz/cifar.html. Oracle: tests/events/datasets/test_cifar.py.
"""

from hashlib import sha256
from pathlib import Path

import numpy as np

from bayesnn_spike.events.datasets._folder import require_file, require_root
from bayesnn_spike.events.datasets.dataset import DataSetError
from bayesnn_spike.events.datasets.official import Official
from bayesnn_spike.events.errors import EventFileError

CIFAR10_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
_SHAPE = (3, 32, 32)
_ADVICE = (
    "Download the binary version, {file}, from https://www.cs.toronto.edu/~kriz/cifar.html, "
    "unpack it, and give the folder {folder} as root."
)


def read_cifar10(name: str, root: Path | str | None) -> Official:
    """Read CIFAR-10.

    Args:
        name: of the data set in messages.
        root: the folder `cifar-10-batches-bin` with `data_batch_1.bin` .. `data_batch_5.bin` and
            `test_batch.bin`, or the folder around it. Default: `name` inside the cache.

    Raises:
        DataSetError: a file is missing; says where it looked and how to get it.
        EventFileError: a file is cut short or has an impossible label; names the byte.
    """
    folder, advice = _folder(name, root, "cifar-10-binary.tar.gz", "cifar-10-batches-bin")
    files = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    parts = [
        _records(require_file(name, folder, (file,), advice), labels=1, classes=10)
        for file in files
    ]
    return _official(name, folder, parts, CIFAR10_CLASSES)


def read_cifar100(name: str, root: Path | str | None) -> Official:
    """Read CIFAR-100 with its 100 fine labels.

    Args:
        name: of the data set in messages.
        root: the folder `cifar-100-binary` with `train.bin`, `test.bin` and
            `fine_label_names.txt`, or the folder around it. Default: `name` inside the cache.

    Raises:
        DataSetError: a file is missing or does not name 100 classes.
        EventFileError: a file is cut short or has an impossible label; names the byte.
    """
    folder, advice = _folder(name, root, "cifar-100-binary.tar.gz", "cifar-100-binary")
    names = require_file(name, folder, ("fine_label_names.txt",), advice)
    classes = tuple(names.read_text(encoding="utf-8").split())
    if len(classes) != 100:
        raise DataSetError(f"{name}: {names} names {len(classes)} classes instead of 100")
    parts = [
        _records(require_file(name, folder, (file,), advice), labels=2, classes=100)
        for file in ("train.bin", "test.bin")
    ]
    return _official(name, folder, parts, classes)


def _folder(name: str, root: Path | str | None, file: str, inner: str) -> tuple[Path, str]:
    advice = _ADVICE.format(file=file, folder=inner)
    folder = require_root(name, root, advice)
    return (folder / inner if (folder / inner).is_dir() else folder), advice


def _records(path: Path, *, labels: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images `[n, 3, 32, 32]` and the last label of each, uint8."""
    data = np.fromfile(path, np.uint8)
    size = labels + int(np.prod(_SHAPE))
    rest = data.size % size
    if rest or not data.size:
        raise EventFileError(
            path,
            data.size - rest,
            f"{rest} bytes and the end of the file",
            f"records of {size} bytes: {labels} of labels and {size - labels} pixels",
        )
    records = data.reshape(-1, size)
    wrong = np.flatnonzero(records[:, labels - 1] >= classes)
    if wrong.size:
        row = int(wrong[0])
        raise EventFileError(
            path,
            row * size + labels - 1,
            f"label {records[row, labels - 1]} of image {row}",
            f"a label below {classes}",
        )
    return records[:, labels:].reshape(-1, *_SHAPE), records[:, labels - 1]


def _official(
    name: str,
    folder: Path,
    parts: list[tuple[np.ndarray, np.ndarray]],
    classes: tuple[str, ...],
) -> Official:
    """Join the parts; the last one is the test set."""
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    digest = sha256(np.ascontiguousarray(labels))
    digest.update(images)
    n_train = len(labels) - len(parts[-1][1])
    return Official(images, labels, n_train, classes, f"{name}:{digest.hexdigest()}", folder)
