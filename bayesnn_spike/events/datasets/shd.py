"""`shd`: spoken digits, German and English, through a cochlea model of 700 channels.

From the unpacked `shd_train.h5` and `shd_test.h5`; the latter is the official test set. Needs
h5py, the extra `hdf5`.

Source: Cramer et al. (2022), doi:10.1109/TNNLS.2020.3044364.
Oracle: tests/events/datasets/test_shd.py.
"""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np

from bayesnn_spike.events.datasets._binned import Source, Window, build, file_digest
from bayesnn_spike.events.datasets._folder import require_file, require_root
from bayesnn_spike.events.datasets.dataset import DataSetError, SpikeDataset
from bayesnn_spike.events.readers import OnBackwards, Refuse, read_shd
from bayesnn_spike.events.stream import EventStream

_REFUSE = Refuse()
_PARTS = ("train", "test")
_CLASSES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"),
)
_ADVICE = (
    "Download shd_train.h5.gz and shd_test.h5.gz from https://zenkelab.org/datasets/, unpack them, "
    "and give their folder as root."
)


def load_shd(
    *,
    root: Path | str | None = None,
    bins: int = 10,
    seed: int = 0,
    limit: int | None = None,
    duration_ms: float = 1400.0,
    channels: int = 700,
    by_speaker: bool = False,
    fractions: Mapping[str, float] | None = None,
    on_backwards: OnBackwards = _REFUSE,
) -> SpikeDataset:
    """Load spikes `[N, bins, 1, 1, channels]`.

    Args:
        root: folder. Default: `shd` inside the cache.
        bins: time steps T.
        seed: decides the splits.
        limit: at most so many recordings, a stratified choice.
        duration_ms: length that is binned; the longest recording has 1370 ms.
        channels: what the 700 channels are pooled to; must divide 700.
        by_speaker: keep each speaker of the training file in one split.
        fractions: shares of the recordings in the training file.
        on_backwards: what to do with a recording in which time runs backwards.

    Raises:
        DataSetError: a file is missing, h5py is missing, or speakers are asked for that the files
            do not name.
        EventFileError: a file is damaged.
    """
    folder = require_root("shd", root, _ADVICE)
    paths = [require_file("shd", folder, (f"shd_{part}.h5",), _ADVICE) for part in _PARTS]
    try:
        files = [read_shd(path, on_backwards=on_backwards) for path in paths]
    except ModuleNotFoundError as error:
        raise DataSetError(
            "reading shd needs h5py, which is not installed: pip install 'bayesnn_spike[hdf5]'"
        ) from error
    sizes = [len(file) for file in files]
    if by_speaker and not all("speaker" in file.fields for file in files):
        raise DataSetError(f"shd: the files in {folder} do not name the speakers")

    def stream(number: int) -> EventStream:
        part = int(number >= sizes[0])
        return files[part][number - part * sizes[0]]

    text = "".join(file_digest(path) for path in paths)
    source = Source(
        name="shd",
        source=str(folder),
        digest=sha256(text.encode()).hexdigest(),
        classes=_CLASSES,
        labels=np.concatenate([file.labels for file in files]),
        stream=stream,
        official_test=np.repeat([False, True], sizes),
        groups=np.concatenate([file.fields["speaker"] for file in files]) if by_speaker else None,
    )
    window = Window(bins, duration_ms, grid=(1, channels))
    return build(source, window, seed=seed, limit=limit, fractions=fractions)
