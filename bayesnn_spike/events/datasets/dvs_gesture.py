"""`dvs-gesture`: eleven hand and arm gestures before a DVS128.

From the folder of the original `userNN_LIGHT.aedat` files with their `_labels.csv`, or from an
`.npz` of clips labelled 1 to 11. Users 24 to 29 are the official test set, and no user is in two
splits.

Source: Amir et al. (2017), A low power, fully event-based gesture recognition system, CVPR.
Oracle: tests/events/datasets/test_dvs_gesture.py.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
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
from bayesnn_spike.events.readers import (
    DVS_GESTURE,
    GESTURES,
    OnBackwards,
    Refuse,
    read_gesture,
    read_gesture_labels,
    read_npz,
)

FIRST_TEST_USER = 24

_REFUSE = Refuse()
_NAME = re.compile(r"user(\d+)_\w+\.aedat")
_ADVICE = (
    "Download DVS-Gesture from https://research.ibm.com/interactive/dvsgesture/ and give the "
    "folder with the userNN_LIGHT.aedat and userNN_LIGHT_labels.csv files as root."
)


def load_dvs_gesture(
    *,
    root: Path | str | None = None,
    bins: int = 10,
    seed: int = 0,
    limit: int | None = None,
    duration_ms: float = 1500.0,
    grid: tuple[int, int] | None = (32, 32),
    fractions: Mapping[str, float] | None = None,
    on_backwards: OnBackwards = _REFUSE,
) -> SpikeDataset:
    """Load spikes `[N, bins, 2, 32, 32]`, channel 0 OFF and 1 ON, one example per clip.

    Args:
        root: folder or `.npz`. Default: `dvs-gesture` inside the cache.
        bins: time steps T.
        seed: decides the splits.
        limit: at most so many clips, a stratified choice.
        duration_ms: length that is binned, from the start of the clip.
        grid: (height, width) that the 128x128 pixels are pooled to; None keeps them all.
        fractions: shares of the clips that are not of test users (of an `.npz`: of all clips).
        on_backwards: what to do with a file in which time runs backwards.

    Raises:
        DataSetError: nothing at `root`, or a recording without its label file.
        EventFileError: a file is damaged.
    """
    path = require_root("dvs-gesture", root, _ADVICE)
    source = _from_npz(path) if path.is_file() else _from_folder(path, on_backwards)
    window = Window(bins, duration_ms, grid=grid)
    return build(source, window, seed=seed, limit=limit, fractions=fractions)


def _from_npz(path: Path) -> Source:
    clips = read_npz(path, sensor=DVS_GESTURE)
    if clips.labels is None or not ((clips.labels >= 1) & (clips.labels <= len(GESTURES))).all():
        raise DataSetError(f"dvs-gesture: {path} must have labels 1 to {len(GESTURES)}")
    return Source(
        name="dvs-gesture",
        source=str(path),
        digest=file_digest(path),
        classes=GESTURES,
        labels=clips.labels - 1,
        stream=clips.__getitem__,
    )


def _from_folder(folder: Path, on_backwards: OnBackwards) -> Source:
    paths = [path for path in sorted(folder.glob("*.aedat")) if _NAME.fullmatch(path.name)]
    if not paths:
        raise DataSetError(f"dvs-gesture: found no userNN_LIGHT.aedat in {folder}. {_ADVICE}")
    labels, places, users = [], [], []
    for path in paths:
        table = path.with_name(f"{path.stem}_labels.csv")
        if not table.is_file():
            raise DataSetError(f"dvs-gesture: {path} has no {table.name} beside it. {_ADVICE}")
        rows = read_gesture_labels(table)
        labels += [row.label - 1 for row in rows]
        places += [(path, number) for number in range(len(rows))]
        users += [int(_NAME.fullmatch(path.name)[1])] * len(rows)

    # Clips are asked for in order, so one recording in memory is enough.
    @lru_cache(maxsize=1)
    def clips(path: Path) -> tuple:
        return read_gesture(path, on_backwards=on_backwards).clips

    def stream(number: int):
        path, clip = places[number]
        return clips(path)[clip].stream

    return Source(
        name="dvs-gesture",
        source=str(folder),
        digest=listing_digest(folder, paths),
        classes=GESTURES,
        labels=np.array(labels),
        stream=stream,
        official_test=np.array(users) >= FIRST_TEST_USER,
        groups=np.array(users),
    )
