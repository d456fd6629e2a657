import sys

import h5py
import numpy as np
import pytest
import torch

from bayesnn_spike.events.datasets import DataSetError, load
from bayesnn_spike.events.errors import EventFileError
from tests.events.formats import write_shd


@pytest.fixture
def folder(tmp_path):
    """Class c has channel 0 at 0 s and channel 35 c at 0.7 s; ten recordings, and two to test."""
    for part, count in (("train", 10), ("test", 2)):
        labels = np.repeat(np.arange(20), count).tolist()
        units = [[0, 35 * label] for label in labels]
        path = tmp_path / f"shd_{part}.h5"
        write_shd(path, [[0.0, 0.7]] * len(labels), units, labels)
        with h5py.File(path, "r+") as file:
            file["extra/speaker"][:] = np.tile(np.arange(count), 20)
    return tmp_path


def test_both_files(folder):
    data = load("shd", root=folder)
    assert data.spikes.shape == (240, 10, 1, 1, 700)
    assert [len(split) for split in data.splits.values()] == [160, 20, 20, 40]
    assert data.splits["test"].examples.tolist() == list(range(200, 240))
    assert torch.bincount(data.labels).tolist() == [12] * 20
    assert len(data.classes) == 20
    for row in (0, 111, 239):
        label = int(data.labels[row])
        assert data.spikes[row].nonzero().tolist() == [[0, 0, 0, 0], [5, 0, 0, 35 * label]]


def test_pooled_channels(folder):
    data = load("shd", root=folder, bins=2, channels=20)
    assert data.spikes.shape == (240, 2, 1, 1, 20)
    assert data.spikes[239].nonzero().tolist() == [[0, 0, 0, 0], [1, 0, 0, 19]]


def test_speakers_stay_together(folder):
    data = load("shd", root=folder, bins=2, by_speaker=True)
    speakers = [
        {int(example) % 10 for example in data.splits[name].examples}
        for name in ("train", "val", "calib")
    ]
    assert sum(len(group) for group in speakers) == len(set.union(*speakers)) == 10


def test_what_is_missing_is_named(folder, monkeypatch):
    with h5py.File(folder / "shd_train.h5", "r+") as file:
        del file["extra/speaker"]
    with pytest.raises(DataSetError, match="do not name the speakers"):
        load("shd", root=folder, by_speaker=True)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "h5py", None)
        with pytest.raises(DataSetError, match=r"h5py, which is not .*bayesnn_spike\[hdf5\]"):
            load("shd", root=folder)
    (folder / "shd_test.h5").unlink()
    with pytest.raises(DataSetError, match=r"no shd_test\.h5"):
        load("shd", root=folder)


def test_a_damaged_file_is_named(folder):
    (folder / "shd_test.h5").write_bytes(b"nothing of the kind")
    with pytest.raises(EventFileError, match=r"shd_test\.h5"):
        load("shd", root=folder)
