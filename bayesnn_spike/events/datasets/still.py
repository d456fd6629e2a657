"""Still images as they are, for networks without spikes: `mnist`, `fashion-mnist`, `cifar10`, ...

    data = load_still("cifar10", root="cifar-10-batches-bin", val_size=5000)
    for images, labels in batches(data, "train", 64, stream=stream, augment=Augment(4, True)):
        ...                               # [64, 3, 32, 32] float32 in [0, 1], [64] int64

`test` is the official test set; `val` and `calib` are stratified parts of the official training
set and `train` is the rest of it, or a part. Splits of the same examples rate-coded (`load`) have
the same fingerprint, so that a ledger sees what they share.

Oracle: tests/events/datasets/test_still.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.events.datasets.cifar import read_cifar10, read_cifar100
from bayesnn_spike.events.datasets.cifar_jpeg import read_cifar10_jpeg
from bayesnn_spike.events.datasets.dataset import DataSetError, as_rows, require_labels
from bayesnn_spike.events.datasets.image_augment import Augment
from bayesnn_spike.events.datasets.image_batch import (
    ImageBatch,
    Scale,
    require_stream,
)
from bayesnn_spike.events.datasets.image_download import download_still
from bayesnn_spike.events.datasets.images import read_official
from bayesnn_spike.events.datasets.official import Official, choose
from bayesnn_spike.events.splits import Split
from bayesnn_spike.rng import Stream


@final
@dataclass(frozen=True, eq=False)
class ImageSet:
    """Labelled images in memory.

    Args:
        name: `mnist`, `cifar10`, ...
        images: `[N, C, H, W]` uint8.
        labels: `[N]` int64 class indices.
        classes: names of the classes.
        splits: splits by name; indices are rows of `images`.
        info: JSON-able facts: at least `source` and `fingerprint`.

    Raises:
        DataSetError: sizes, dtypes, labels or splits do not fit together.
    """

    name: str
    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    splits: dict[str, Split]
    info: dict[str, Any]

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.dtype != torch.uint8 or images.ndim != 4:
            raise DataSetError(
                f"{self.name}: images must be uint8 [N, C, H, W], got {images.dtype} "
                f"{list(images.shape)}"
            )
        require_labels(self.name, labels, len(images), len(self.classes))
        for name, split in self.splits.items():
            if split.dataset != self.fingerprint or split.indices[-1] >= len(labels):
                raise DataSetError(
                    f"split {name!r} of {split.dataset} up to row {split.indices[-1]} is none of "
                    f"{self.fingerprint} with {len(labels)} images"
                )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        return tuple(self.images.shape[1:])

    @property
    def fingerprint(self) -> str:
        """Name and hash of the source data, as the splits and the ledger know it."""
        return self.info["fingerprint"]

    def batch(
        self,
        indices: np.ndarray | Tensor,
        *,
        scale: Scale = Scale(),
        augment: Augment | None = None,
        stream: Stream | None = None,
    ) -> ImageBatch:
        """Return some images as numbers, in the order of `indices`.

        Args:
            indices: `[B]` rows.
            scale: from bytes to numbers.
            augment: random changes, on the bytes.
            stream: of `augment`; needed with it.

        Raises:
            IndexError: a row is negative or not in the data set.
            ValueError: an augmentation without a stream.
        """
        require_stream(augment, stream)
        rows = as_rows(indices)
        images = self.images.index_select(0, rows)
        if augment is not None:
            images = augment(images, stream)
        return ImageBatch(scale(images), self.labels.index_select(0, rows))


def load_still(
    name: str,
    *,
    root: Path | str | None = None,
    seed: int = 0,
    train_size: int | None = None,
    val_size: int = 5000,
    calib_size: int = 0,
    download: bool = False,
) -> ImageSet:
    """Load a data set of still images into memory.

    Args:
        name: one of `still_names()`.
        root: its folder or file, see the readers. Default: `name` inside the cache.
        seed: decides which training images are in which split.
        train_size: images in `train`; None is all that are in no other split.
        val_size: images in `val`; 0 leaves it out, also for `calib_size`.
        calib_size: images in `calib`.
        download: fetch what is missing first, see `download_still`.

    Raises:
        DataSetError: unknown name, missing files (says where it looked and how to get them), or
            more images are asked for than there are.
        EventFileError: a file is damaged; names it and the place.
    """
    if name not in _READERS:
        raise DataSetError(
            f"there are no still images {name!r}; there are {', '.join(_READERS)}, and folders of "
            "JPEG files (`image_folder`)"
        )
    if download:
        download_still(name, root)
    found = _READERS[name](name, root)
    n = found.n_train
    rest = n - val_size - calib_size if train_size is None else train_size
    # The parts that are scored first: their examples do not depend on the size of `train`.
    sizes = {"val": val_size, "calib": calib_size, "train": rest}
    chosen = choose(name, found.labels[:n], sizes, found.fingerprint, seed)
    chosen["test"] = np.arange(n, len(found.labels))
    splits = {
        key: Split(found.fingerprint, key, chosen[key])
        for key in ("train", "val", "calib", "test")
        if key in chosen
    }
    images = torch.from_numpy(found.images)
    info = {"source": str(found.folder), "fingerprint": found.fingerprint, "seed": seed}
    return ImageSet(
        name,
        images.unsqueeze(1) if images.ndim == 3 else images,
        torch.from_numpy(found.labels.astype(np.int64)),
        found.classes,
        splits,
        info,
    )


def still_names() -> tuple[str, ...]:
    """Return the names that `load_still` knows."""
    return tuple(_READERS)


_READERS: dict[str, Callable[[str, Path | str | None], Official]] = {
    "mnist": read_official,
    "fashion-mnist": read_official,
    "cifar10": read_cifar10,
    "cifar100": read_cifar100,
    "cifar10-jpeg": read_cifar10_jpeg,
}
