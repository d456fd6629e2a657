"""`mnist-dvs` and `cifar10-dvs`: moving images on a screen before a DVS128, as AEDAT 2.0 files.

Source: Serrano-Gotarredona and Linares-Barranco (2015), doi:10.3389/fnins.2015.00481; Li et al.
    (2017), doi:10.3389/fnins.2017.00309.
Oracle: tests/events/datasets/test_dvs128.py.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bayesnn_spike.events.datasets._binned import Source, Window, build, listing_digest
from bayesnn_spike.events.datasets._folder import require_root
from bayesnn_spike.events.datasets.dataset import DataSetError, SpikeDataset
from bayesnn_spike.events.readers import Drop, OnBackwards, Refuse, read_aedat2

_REFUSE = Refuse()
_OBJECTS = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
_MNIST_NAME = re.compile(r"mnist_(\d)_scale(\d+)_(\d+)\.aedat")
_MNIST_ADVICE = (
    "Download MNIST-DVS from http://www2.imse-cnm.csic.es/caviar/MNISTDVS.html and give the folder "
    "with the mnist_DIGIT_scaleSS_NNNN.aedat files, at any depth, as root."
)
_CIFAR_ADVICE = (
    "Download CIFAR10-DVS from https://doi.org/10.6084/m9.figshare.4724671 and give the folder "
    "with airplane/ ... truck/ as root."
)


def load_mnist_dvs(
    *,
    root: Path | str | None = None,
    bins: int = 10,
    seed: int = 0,
    limit: int | None = None,
    duration_ms: float = 2000.0,
    scale: int = 4,
    crop: tuple[int, int, int, int] | None = (48, 48, 26, 26),
    last_train_number: int = 900,
    fractions: Mapping[str, float] | None = None,
    on_backwards: OnBackwards = _REFUSE,
    on_special: Refuse | Drop = _REFUSE,
) -> SpikeDataset:
    """Load spikes `[N, bins, 2, 26, 26]`, channel 0 OFF and 1 ON.

    The defaults are those of BiSNN (arXiv:2012.08300) but for its T = 400.

    Args:
        root: folder. Default: `mnist-dvs` inside the cache.
        bins: time steps T.
        seed: decides the splits.
        limit: at most so many recordings, a stratified choice.
        duration_ms: length that is binned, from the first event.
        scale: size of the digits on the screen: 4, 8 or 16.
        crop: (top, left, height, width) that is kept of the 128x128 pixels; None keeps them all.
        last_train_number: recordings of each digit numbered above this are `test`.
        fractions: shares of the other recordings.
        on_backwards: what to do with a file in which time runs backwards.
        on_special: what to do with special events.

    Raises:
        DataSetError: no recordings of that scale under `root`.
        EventFileError: a file is damaged.
    """
    folder = require_root("mnist-dvs", root, _MNIST_ADVICE)
    names = {path: _MNIST_NAME.fullmatch(path.name) for path in sorted(folder.rglob("*.aedat"))}
    names = {path: name for path, name in names.items() if name and int(name[2]) == scale}
    if not names:
        raise DataSetError(
            f"mnist-dvs: found no mnist_DIGIT_scale{scale:02d}_NNNN.aedat under {folder}. "
            f"{_MNIST_ADVICE}"
        )
    paths = list(names)
    source = Source(
        name="mnist-dvs",
        source=str(folder),
        digest=listing_digest(folder, paths),
        classes=tuple("0123456789"),
        labels=np.array([int(name[1]) for name in names.values()]),
        stream=_reader(paths, on_backwards, on_special),
        official_test=np.array([int(name[3]) > last_train_number for name in names.values()]),
    )
    window = Window(bins, duration_ms, crop=crop)
    return build(source, window, seed=seed, limit=limit, fractions=fractions)


def load_cifar10_dvs(
    *,
    root: Path | str | None = None,
    bins: int = 10,
    seed: int = 0,
    limit: int | None = None,
    duration_ms: float = 1200.0,
    grid: tuple[int, int] | None = (32, 32),
    fractions: Mapping[str, float] | None = None,
    on_backwards: OnBackwards = _REFUSE,
    on_special: Refuse | Drop = _REFUSE,
) -> SpikeDataset:
    """Load spikes `[N, bins, 2, 32, 32]`, channel 0 OFF and 1 ON. There is no official test set.

    Args:
        root: folder of `airplane/` ... `truck/`. Default: `cifar10-dvs` inside the cache.
        bins: time steps T.
        seed: decides the splits.
        limit: at most so many recordings, a stratified choice.
        duration_ms: length that is binned, from the first event.
        grid: (height, width) that the 128x128 pixels are pooled to; None keeps them all.
        fractions: shares of the splits.
        on_backwards: what to do with a file in which time runs backwards.
        on_special: what to do with special events.

    Raises:
        DataSetError: no recordings under `root`.
        EventFileError: a file is damaged.
    """
    folder = require_root("cifar10-dvs", root, _CIFAR_ADVICE)
    paths = [path for name in _OBJECTS for path in sorted((folder / name).glob("*.aedat"))]
    if not paths:
        raise DataSetError(
            f"cifar10-dvs: found no airplane/*.aedat ... truck/*.aedat in {folder}. {_CIFAR_ADVICE}"
        )
    source = Source(
        name="cifar10-dvs",
        source=str(folder),
        digest=listing_digest(folder, paths),
        classes=_OBJECTS,
        labels=np.array([_OBJECTS.index(path.parent.name) for path in paths]),
        stream=_reader(paths, on_backwards, on_special),
    )
    window = Window(bins, duration_ms, grid=grid)
    return build(source, window, seed=seed, limit=limit, fractions=fractions)


def _reader(paths: list[Path], on_backwards: OnBackwards, on_special: Refuse | Drop):
    return lambda number: read_aedat2(
        paths[number], on_backwards=on_backwards, on_special=on_special
    )
