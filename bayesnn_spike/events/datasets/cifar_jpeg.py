"""`cifar10-jpeg`: CIFAR-10 as lossy JPEG in one npz file, a tenth of the size.

For studies of conversion and of foreign images; accuracies on it are none on CIFAR-10. Arrays:
`header` (the bytes that all files begin with), `scan` (the rest of all files, one after the
other), `offsets` `[n + 1]`, `labels` `[n]`, `split` `[n]` (0 training, 1 test), `classes` `[10]`.

Oracle: tests/events/datasets/test_cifar_jpeg.py.
"""

from hashlib import sha256
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from bayesnn_spike.events.datasets._folder import require_file, require_root
from bayesnn_spike.events.datasets._jpeg import decode
from bayesnn_spike.events.datasets.official import Official
from bayesnn_spike.events.errors import EventFileError

_KEYS = ("header", "scan", "offsets", "labels", "split", "classes")
_FILE = "cifar10_jpeg.npz"
_ADVICE = (
    f"Put {_FILE} there, or take the lossless 'cifar10', whose official files are at "
    "https://www.cs.toronto.edu/~kriz/cifar.html."
)


def read_cifar10_jpeg(name: str, root: Path | str | None) -> Official:
    """Read and decode all images; 60,000 take some ten seconds.

    Args:
        name: of the data set in messages.
        root: the npz file, or its folder. Default: `name` inside the cache.

    Returns:
        The images, training examples first; the fingerprint is of the compressed bytes.

    Raises:
        DataSetError: there is no such file, or Pillow is not installed.
        EventFileError: the file is damaged; names the array and the image.
    """
    place = require_root(name, root, _ADVICE)
    path = require_file(name, place, (_FILE,), _ADVICE) if place.is_dir() else place
    arrays = _arrays(path)
    header, scan = arrays["header"].tobytes(), arrays["scan"].tobytes()
    offsets, labels = arrays["offsets"], arrays["labels"]
    order = np.argsort(arrays["split"], kind="stable")
    images = np.empty((len(labels), 3, 32, 32), np.uint8)
    for place_in_order, row in enumerate(order.tolist()):
        data = header + scan[offsets[row] : offsets[row + 1]]
        pixels = np.asarray(decode(data, path, f"scan[offsets[{row}]]"))
        if pixels.shape != (32, 32, 3):
            found = f"an image of shape {list(pixels.shape)}"
            raise EventFileError(path, f"scan[offsets[{row}]]", found, "[32, 32, 3]")
        images[place_in_order] = pixels.transpose(2, 0, 1)
    digest = sha256(header + scan + labels.tobytes() + arrays["split"].tobytes())
    return Official(
        images,
        labels[order],
        int((arrays["split"] == 0).sum()),
        tuple(arrays["classes"].tolist()),
        f"{name}:{digest.hexdigest()}",
        path,
    )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            missing = [key for key in _KEYS if key not in file]
            if missing:
                raise EventFileError(path, ", ".join(missing), "no such array", ", ".join(_KEYS))
            arrays = {key: file[key] for key in _KEYS}
    except (OSError, ValueError, TypeError, BadZipFile) as error:
        if isinstance(error, EventFileError):
            raise
        raise EventFileError(path, 0, f"no readable npz ({error})", "an npz file") from error
    offsets, n = arrays["offsets"], len(arrays["labels"])
    sound = offsets.shape == (n + 1,) and (np.diff(offsets) >= 0).all()
    if not sound or n == 0 or offsets[0] != 0 or offsets[-1] != len(arrays["scan"]):
        raise EventFileError(
            path,
            "offsets",
            f"{offsets.size} offsets for {n} images and {len(arrays['scan'])} bytes of scan",
            "n + 1 offsets from 0 to the end of scan, never decreasing",
        )
    for key, below in (("labels", len(arrays["classes"])), ("split", 2)):
        values = arrays[key]
        if values.shape != (n,) or values.max() >= below:
            found = f"{list(values.shape)} values up to {values.max()}"
            raise EventFileError(path, key, found, f"{n} values below {below}")
    return arrays
