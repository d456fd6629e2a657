"""ImageNet, or any folder of class folders of JPEG files; images are read batch by batch.

    data = image_folder("imagenet", val_size=20_000)
    stream = Stream(0).child("epoch", 0)
    for images, labels in batches(data, "train", 64, stream=stream, augment=RandomCrop()):
        ...                                                 # [64, 3, 224, 224], [64]

The folder has `train/CLASS/*.JPEG` and `val/CLASS/*.JPEG`. `test` is the official validation set,
`val` a stratified part of the training set. The fingerprint is of the names of the files.

Oracle: tests/events/datasets/test_image_folder.py.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.checks import require_interval, require_positive
from bayesnn_spike.events.datasets._folder import require_root
from bayesnn_spike.events.datasets._jpeg import decode, pillow
from bayesnn_spike.events.datasets.dataset import DataSetError, as_rows
from bayesnn_spike.events.datasets.image_batch import (
    ImageBatch,
    Scale,
    require_stream,
)
from bayesnn_spike.events.datasets.official import choose
from bayesnn_spike.events.splits import Split
from bayesnn_spike.rng import Stream

_ADVICE = (
    "For ImageNet, get ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar with an account at "
    "https://image-net.org/download.php, unpack them to train/CLASS/*.JPEG and val/CLASS/*.JPEG "
    "(the validation labels are in ILSVRC2012_devkit_t12.tar.gz), and give the folder as root."
)


@final
@dataclass(frozen=True)
class RandomCrop:
    """In training: resize a random part of the image instead of its middle, and mirror.

    Args:
        least_area: the part has a share of the image's area uniform in [least_area, 1] and an
            aspect ratio between 3/4 and 4/3, uniform in its logarithm.
        flip: mirror left and right with probability 1/2.

    Raises:
        ValueError: a share outside [0, 1].

    Source: Szegedy et al. 2015, section 6; ImageNet in nitin-rathi/DIET-SNN @4c7527b.
    """

    least_area: float = 0.08
    flip: bool = True

    def __post_init__(self) -> None:
        require_interval(self.least_area, "RandomCrop.least_area", 0.0, 1.0)

    def box(
        self, width: int, height: int, stream: Stream
    ) -> tuple[tuple[int, int, int, int], bool]:
        """Return the part (left, top, right, bottom) of an image, and whether to mirror it."""
        random = stream.numpy()
        mirrored = self.flip and bool(random.random() < 0.5)
        for _ in range(10):
            area = width * height * random.uniform(self.least_area, 1.0)
            ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
            wide, high = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < wide <= width and 0 < high <= height:
                left = int(random.integers(0, width - wide + 1))
                top = int(random.integers(0, height - high + 1))
                return (left, top, left + wide, top + high), mirrored
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        return (left, top, left + side, top + side), mirrored


@final
@dataclass(frozen=True, eq=False)
class ImageFolder:
    """Labelled JPEG files, decoded when a batch is asked for. Built by `image_folder`.

    Attributes:
        root: the folder.
        files: paths below `root`, one per image.
        labels: `[N]` int64 class indices.
        classes: names of the class folders, sorted.
        splits: splits by name; indices are places in `files`.
        info: JSON-able facts: `source` and `fingerprint`.
        side: pixels of a side of the squares that `batch` returns.
        resize: the shorter side is resized to so many pixels before the middle is cut out.
        workers: threads that decode; changes no pixel.
    """

    root: Path
    files: tuple[str, ...]
    labels: Tensor
    classes: tuple[str, ...]
    splits: dict[str, Split]
    info: dict[str, Any]
    side: int = 224
    resize: int = 256
    workers: int = 1

    def __len__(self) -> int:
        return len(self.files)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of what `batch` returns."""
        return 3, self.side, self.side

    def batch(
        self,
        indices: np.ndarray | Tensor,
        *,
        scale: Scale = Scale(),
        augment: RandomCrop | None = None,
        stream: Stream | None = None,
    ) -> ImageBatch:
        """Read some images, in the order of `indices`.

        Args:
            indices: `[B]` places in `files`.
            scale: from bytes to numbers.
            augment: random crops; None resizes and cuts out the middle.
            stream: of `augment`; place i of the batch draws from child i.

        Returns:
            images `[B, 3, side, side]` and labels `[B]`.

        Raises:
            EventFileError: a file is no whole JPEG; names it.
            IndexError: a place is negative or beyond the last file.
            ValueError: an augmentation without a stream.
        """
        require_stream(augment, stream)
        rows = as_rows(indices)
        labels = self.labels.index_select(0, rows)
        pixels = torch.empty(len(rows), *self.shape, dtype=torch.uint8)

        def read(place: int) -> None:
            own = None if augment is None else stream.child(place)
            image = self._square(self.files[int(rows[place])], augment, own)
            pixels[place] = torch.from_numpy(np.array(image)).permute(2, 0, 1)

        if self.workers == 1:
            for place in range(len(rows)):
                read(place)
        else:
            with ThreadPoolExecutor(self.workers) as pool:
                list(pool.map(read, range(len(rows))))
        return ImageBatch(scale(pixels), labels)

    def _square(self, file: str, crop: RandomCrop | None, stream: Stream | None) -> Any:
        image = decode((self.root / file).read_bytes(), self.root / file)
        tools, size = pillow(), (self.side, self.side)
        bilinear = tools.Resampling.BILINEAR
        if crop is not None:
            box, mirrored = crop.box(image.width, image.height, stream)
            image = image.resize(size, bilinear, box=box)
            return image.transpose(tools.Transpose.FLIP_LEFT_RIGHT) if mirrored else image
        shorter = min(image.size)
        width, height = (max(self.resize, pixels * self.resize // shorter) for pixels in image.size)
        left, top = (width - self.side) // 2, (height - self.side) // 2
        image = image.resize((width, height), bilinear)
        return image.crop((left, top, left + self.side, top + self.side))


def image_folder(
    name: str = "imagenet",
    *,
    root: Path | str | None = None,
    seed: int = 0,
    val_size: int = 0,
    side: int = 224,
    resize: int = 256,
    workers: int = 1,
) -> ImageFolder:
    """Find the JPEG files of a folder; none is opened.

    Args:
        name: of the data set.
        root: the folder with `train` and `val`. Default: `name` inside the cache.
        seed: decides which training images are in `val`.
        val_size: images in the split `val`; 0 leaves it out.
        side: of the squares that are returned, in pixels.
        resize: pixels of the shorter side before the middle is cut out; at least `side`.
        workers: threads that decode.

    Raises:
        DataSetError: the folder or one of its parts is missing or empty (says where it looked and
            how to get ImageNet), or `train` and `val` have other classes.
        ValueError: a size below 1, or `resize` below `side`.
    """
    for value, what in ((side, "side"), (workers, "workers")):
        require_positive(value, what)
    if resize < side:
        raise ValueError(f"resize must be at least side = {side}, got {resize}")
    folder = require_root(name, root, _ADVICE)
    trained, tested = (_classes(name, folder / part) for part in ("train", "val"))
    if set(trained) != set(tested):
        odd = sorted(set(trained) ^ set(tested))
        raise DataSetError(
            f"{name}: train and val of {folder} differ in {len(odd)} classes, such as {odd[0]!r}. "
            f"{_ADVICE}"
        )
    classes = tuple(sorted(trained))
    files, labels = [], []
    for part, found in (("train", trained), ("val", tested)):
        for label, key in enumerate(classes):
            files += [f"{part}/{key}/{file}" for file in found[key]]
            labels += [label] * len(found[key])
    fingerprint = f"{name}:{sha256(chr(10).join(files).encode()).hexdigest()}"
    array, n = np.array(labels), sum(map(len, trained.values()))
    sizes = {"val": val_size, "train": n - val_size}
    chosen = choose(name, array[:n], sizes, fingerprint, seed)
    chosen["test"] = np.arange(n, len(array))
    splits = {
        key: Split(fingerprint, key, chosen[key])
        for key in ("train", "val", "test")
        if key in chosen
    }
    info = {"source": str(folder), "fingerprint": fingerprint, "seed": seed}
    options = {"side": side, "resize": resize, "workers": workers}
    return ImageFolder(
        folder, tuple(files), torch.from_numpy(array), classes, splits, info, **options
    )


def _classes(name: str, folder: Path) -> dict[str, list[str]]:
    """Return the sorted JPEG files of every class folder."""
    if not folder.is_dir():
        raise DataSetError(f"{name}: there is no folder {folder}. {_ADVICE}")
    found = {
        inner.name: sorted(
            file.name for file in inner.iterdir() if file.suffix.lower() in {".jpeg", ".jpg"}
        )
        for inner in sorted(folder.iterdir())
        if inner.is_dir()
    }
    empty = [key for key, files in found.items() if not files]
    if empty or not found:
        what = f"no JPEG files in {folder / empty[0]}" if empty else f"no class folders in {folder}"
        raise DataSetError(f"{name}: there are {what}. {_ADVICE}")
    return found
