"""`mnist` and `fashion-mnist`: still images, rate-coded, from the official idx files.

`test` is the official test set. `train`, `val` and `calib` are disjoint stratified parts of the
official 60,000. Every image is drawn once: one Bernoulli spike per pixel and time step with
probability pixel / 255. The spikes of an image depend on the seed and its number only, not on which
other images are loaded.

Oracle: tests/events/datasets/test_images.py.
"""

from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch

from bayesnn_spike.encoding import rate_rows
from bayesnn_spike.events.datasets._folder import require_file, require_root
from bayesnn_spike.events.datasets.dataset import DataSetError, SpikeDataset, content_digest
from bayesnn_spike.events.datasets.idx import read_idx
from bayesnn_spike.events.datasets.official import Official, choose
from bayesnn_spike.events.splits import Split
from bayesnn_spike.rng import Stream

_GARMENTS = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"
_SOURCES = {
    "mnist": (tuple("0123456789"), "http://yann.lecun.com/exdb/mnist/"),
    "fashion-mnist": (
        tuple(_GARMENTS.split(",")),
        "https://github.com/zalandoresearch/fashion-mnist",
    ),
}


def load_images(
    name: str,
    *,
    root: Path | str | None = None,
    bins: int = 10,
    seed: int = 0,
    train_size: int = 2000,
    val_size: int = 500,
    calib_size: int = 500,
    test_size: int | None = None,
) -> SpikeDataset:
    """Load rate-coded images `[N, bins, 1, 28, 28]`.

    Args:
        name: `mnist` or `fashion-mnist`.
        root: folder of the four idx files, gzipped or not. Default: `name` inside the cache.
        bins: time steps T.
        seed: decides which images are in which split, and the spikes.
        train_size: images in `train`; 0 leaves a split out, also for `val_size` and `calib_size`.
        val_size: images in `val`.
        calib_size: images in `calib`.
        test_size: images in `test`, a stratified part; default all.

    Raises:
        DataSetError: a file is missing, files do not fit together, or more images are asked for
            than there are.
        EventFileError: a file is damaged.
    """
    found = read_official(name, root)
    source = found.fingerprint
    wanted = {"train": train_size, "val": val_size, "calib": calib_size}
    offset = found.n_train
    dev = choose(name, found.labels[:offset], wanted, source, seed)
    tests = {"test": len(found.labels) - offset if test_size is None else test_size}
    test = choose(name, found.labels[offset:], tests, source, seed)
    chosen = {**dev, **{key: rows + offset for key, rows in test.items()}}

    examples = np.concatenate(list(chosen.values()))
    spikes = _draw(found.images, examples, bins, Stream(seed).child(name, "spikes"))
    ends = np.cumsum([len(rows) for rows in chosen.values()])
    splits = {
        key: Split(source, key, np.arange(end - len(rows), end), rows)
        for (key, rows), end in zip(chosen.items(), ends, strict=True)
    }
    picked = torch.from_numpy(found.labels[examples].astype(np.int64))
    info = {
        "source": str(found.folder),
        "fingerprint": source,
        "bins": bins,
        "encoding": "rate: one Bernoulli spike per pixel and step, drawn once",
        "seed": seed,
        "digest": content_digest(spikes, picked),
    }
    return SpikeDataset(name, spikes, picked, found.classes, splits, info)


def read_official(name: str, root: Path | str | None) -> Official:
    """Read the four idx files of `mnist` or `fashion-mnist`; `root` as of `load_images`.

    Raises:
        DataSetError: a file is missing, or the files do not fit together.
        EventFileError: a file is damaged.
    """
    classes, origin = _SOURCES[name]
    advice = f"Download the four idx files from {origin} into that folder and give it as root."
    folder = require_root(name, root, advice)
    read = partial(_read_pair, name, folder, advice=advice)
    parts = (read("train"), read("t10k"))
    digest = sha256()
    for part in parts:
        for array in part:
            digest.update(array)
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    fingerprint = f"{name}:{digest.hexdigest()}"
    return Official(images, labels, len(parts[0][1]), classes, fingerprint, folder)


def _read_pair(name: str, folder: Path, stem: str, *, advice: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images `[n, 28, 28]` and labels `[n]`, uint8."""
    arrays = []
    for kind, axes in (("images-idx3-ubyte", 3), ("labels-idx1-ubyte", 1)):
        file = f"{stem}-{kind}"
        path = require_file(name, folder, (f"{file}.gz", file), advice)
        arrays.append(read_idx(path, axes=axes))
    images, labels = arrays
    if images.shape != (len(labels), 28, 28) or len(labels) == 0 or labels.max() > 9:
        raise DataSetError(
            f"{name}: {stem} in {folder} has images {list(images.shape)} and {len(labels)} labels "
            f"up to {labels.max(initial=0)}; wanted [n, 28, 28] and n labels 0..9"
        )
    return images, labels


def _draw(images: np.ndarray, examples: np.ndarray, bins: int, stream: Stream) -> torch.Tensor:
    """Return spikes `[n, bins, 1, 28, 28]`; image i draws from its own child stream."""
    probabilities = torch.from_numpy(images[examples].astype(np.float32) / 255.0)
    streams = [stream.child(example) for example in examples.tolist()]
    return rate_rows(probabilities.unsqueeze(1), steps=bins, streams=streams)
