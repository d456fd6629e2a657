"""`nmnist`: handwritten digits moved by three saccades before an ATIS camera, 34x34.

From the original folders (`Train/0` .. `Train/9`, `Test/0` .. `Test/9`, one `.bin` per recording),
or from one `.npz` with `labels` and, for the official test set, `split` (0 train, 1 test).

Source: Orchard et al. (2015), doi:10.3389/fnins.2015.00437.
Oracle: tests/events/datasets/test_nmnist.py.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bayesnn_spike.events.datasets._binned import (
    Source,
    Window,
    build,
    file_digest,
    listing_digest,
)
from bayesnn_spike.events.datasets._folder import require_root
from bayesnn_spike.events.datasets.dataset import DataSetError, SpikeDataset
from bayesnn_spike.events.datasets.download import download_nmnist
from bayesnn_spike.events.readers import read_atis, read_npz

_CLASSES = tuple("0123456789")
_ADVICE = (
    "Give as root the folder that holds Train/ and Test/ (each with 0 .. 9), or an .npz of "
    "recordings; or let it be downloaded with download=True, which needs the extra 'datasets'."
)


def load_nmnist(
    *,
    root: Path | str | None = None,
    bins: int = 10,
    seed: int = 0,
    limit: int | None = None,
    duration_ms: float = 310.0,
    fractions: Mapping[str, float] | None = None,
    download: bool = False,
) -> SpikeDataset:
    """Load spikes `[N, bins, 2, 34, 34]`, channel 0 OFF and 1 ON.

    `test` is the official test set and the rest is cut 0.8 / 0.1 / 0.1. For cross-validation
    over all recordings together take `SpikeDataset.fold`.

    Args:
        root: folder or `.npz`. Default: `nmnist` inside the cache.
        bins: time steps T.
        seed: decides the splits.
        limit: at most so many recordings, a stratified choice.
        duration_ms: length that is binned; recordings last about 306 ms.
        fractions: shares of the recordings that are not in the official test set.
        download: fetch the folders into `root` if they are missing; needs the extra `datasets`.

    Raises:
        DataSetError: nothing at `root`, or no recordings in it, or tonic is missing.
        EventFileError: a recording is damaged.
    """
    if download:
        download_nmnist(root)
    path = require_root("nmnist", root, _ADVICE)
    source = _from_npz(path) if path.is_file() else _from_folder(path)
    window = Window(bins, duration_ms)
    return build(source, window, seed=seed, limit=limit, fractions=fractions)


def _from_npz(path: Path) -> Source:
    recordings = read_npz(path)
    if recordings.labels is None:
        raise DataSetError(f"nmnist: {path} has no labels, so it cannot be a labelled data set")
    split = recordings.fields.get("split")
    return Source(
        name="nmnist",
        source=str(path),
        digest=file_digest(path),
        classes=_CLASSES,
        labels=recordings.labels,
        stream=recordings.__getitem__,
        official_test=None if split is None else split == 1,
    )


def _from_folder(folder: Path) -> Source:
    # tonic puts the two folders one level deeper.
    root = next((p for p in (folder, folder / "NMNIST") if (p / "Train").is_dir()), None)
    packed = folder / "nmnist_small.npz"
    if root is None and packed.is_file():
        return _from_npz(packed)
    paths = [] if root is None else sorted(root.glob("T[re]*/[0-9]/*.bin"))
    if not paths:
        raise DataSetError(
            f"nmnist: found no Train/0 .. Train/9 with .bin files and no nmnist_small.npz in "
            f"{folder}. {_ADVICE}"
        )
    return Source(
        name="nmnist",
        source=str(root),
        digest=listing_digest(root, paths),
        classes=_CLASSES,
        labels=np.array([int(path.parent.name) for path in paths]),
        stream=lambda number: read_atis(paths[number]),
        official_test=np.array([path.parent.parent.name == "Test" for path in paths]),
    )
