import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bayesnn_spike.events.datasets import DataSetError, load
from bayesnn_spike.events.errors import EventFileError
from bayesnn_spike.events.splits import SplitError
from tests.events.formats import Event, arrays_of, atis_bytes, write_npz


def recording(label, number):
    """Two events in the first bin, on one pixel, and one in bin `label`."""
    return [
        Event(5, number, 1, 1),
        Event(9, number, 1, 1),
        Event(31_000 * label + 20, 33, label, 0),
    ]


def write_folders(root, per_class=10, tests=2):
    for part, count in (("Train", per_class), ("Test", tests)):
        for label in range(10):
            folder = root / part / str(label)
            folder.mkdir(parents=True)
            for number in range(count):
                path = folder / f"{number:05d}.bin"
                path.write_bytes(atis_bytes(recording(label, number)))
    return root


def test_folders_of_bin_files(tmp_path):
    data = load("nmnist", root=write_folders(tmp_path))
    assert data.spikes.shape == (120, 10, 2, 34, 34)
    assert [len(split) for split in data.splits.values()] == [80, 10, 10, 20]
    for row in range(120):
        label = int(data.labels[row])
        where = data.spikes[row].nonzero().tolist()
        assert where[0][0:2] == [0, 0] if label == 0 else where[0][0:3] == [0, 1, 1]
        assert [label, 0, label, 33] in where
        assert len(where) == 2
    events = data.info["events"]
    assert events == {"events": 360, "kept": 240, "merged": 120, "clipped": 0}


def test_an_npz_gives_the_same_spikes_as_the_folders(tmp_path):
    folders = load("nmnist", root=write_folders(tmp_path / "a"))
    labels = np.repeat(np.arange(10), 10)
    train = [recording(label, i % 10) for i, label in enumerate(labels.tolist())]
    test = [recording(label, number) for label in range(10) for number in range(2)]
    # A folder listing is sorted: Test comes before Train.
    arrays = arrays_of([*test, *train], [*np.repeat(np.arange(10), 2), *labels])
    arrays["split"] = np.repeat([1, 0], [20, 100]).astype(np.uint8)
    packed = load("nmnist", root=write_npz(tmp_path / "nmnist_small.npz", arrays))
    torch.testing.assert_close(packed.spikes, folders.spikes)
    torch.testing.assert_close(packed.labels, folders.labels)
    for name in ("train", "val", "calib", "test"):
        assert packed.splits[name].indices.tolist() == folders.splits[name].indices.tolist()
    assert packed.fingerprint != folders.fingerprint
    assert load("nmnist", root=tmp_path).fingerprint == packed.fingerprint


def test_the_bins_the_limit_and_the_shares(tmp_path):
    write_folders(tmp_path)
    data = load("nmnist", root=tmp_path, bins=4, limit=60, fractions={"train": 0.5, "val": 0.5})
    assert data.spikes.shape == (60, 4, 2, 34, 34)
    assert torch.bincount(data.labels).tolist() == [6] * 10
    assert {name: len(split) for name, split in data.splits.items()} == {
        "train": 25,
        "val": 25,
        "test": 10,
    }
    whole = load("nmnist", root=tmp_path, bins=4)
    assert data.fingerprint == whole.fingerprint
    examples = data.examples()
    torch.testing.assert_close(data.spikes, whole.spikes[torch.from_numpy(examples)])


def test_a_damaged_recording_is_named(tmp_path):
    write_folders(tmp_path)
    (tmp_path / "Train" / "3" / "00004.bin").write_bytes(b"\x01\x02\x03")
    with pytest.raises(EventFileError, match=r"Train/3/00004\.bin"):
        load("nmnist", root=tmp_path)


def test_bad_requests_are_refused(tmp_path):
    write_folders(tmp_path)
    with pytest.raises(DataSetError, match="limit must be at least 1"):
        load("nmnist", root=tmp_path, limit=0)
    with pytest.raises(DataSetError, match="bins >= 1 and duration_ms > 0"):
        load("nmnist", root=tmp_path, duration_ms=0)
    with pytest.raises(SplitError, match="would be empty"):
        load("nmnist", root=tmp_path, limit=3)
    arrays = arrays_of([recording(0, 0)], [0])
    del arrays["labels"]
    path = write_npz(tmp_path / "a.npz", arrays)
    with pytest.raises(DataSetError, match="has no labels"):
        load("nmnist", root=path)


def test_real_recordings(shared_data):
    data = load("nmnist", root=shared_data / "nmnist" / "nmnist_small.npz")
    assert data.spikes.shape == (1100, 10, 2, 34, 34)
    assert [len(split) for split in data.splits.values()] == [800, 100, 100, 100]
    assert data.splits["test"].indices.tolist() == list(range(1000, 1100))
    # About 8.1 % of the cells are occupied; every event is accounted for.
    assert abs(float(data.spikes.float().mean()) - 0.0809) < 0.0005
    assert data.info["events"]["events"] == 4_518_827
    assert data.info["events"]["clipped"] == 669
    tests = [data.fold(5, k, seed=0).splits["test"] for k in range(5)]
    assert sorted(np.concatenate([t.indices for t in tests]).tolist()) == list(range(1100))
    assert [len(t) for t in tests] == [220] * 5


def test_a_download_goes_through_tonic(tmp_path, monkeypatch):
    calls = []

    def fetch(save_to, train):
        calls.append((save_to, train))
        if train:
            write_folders(tmp_path / "NMNIST")

    stand_in = SimpleNamespace(datasets=SimpleNamespace(NMNIST=fetch))
    monkeypatch.setitem(sys.modules, "tonic", stand_in)
    data = load("nmnist", root=tmp_path, download=True)
    assert calls == [(str(tmp_path), True), (str(tmp_path), False)]
    assert len(data) == 120
    load("nmnist", root=tmp_path, download=True)
    assert len(calls) == 2  # already there


def test_a_download_without_tonic_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tonic", None)
    with pytest.raises(DataSetError, match=r"tonic, which is not .*bayesnn_spike\[datasets\]"):
        load("nmnist", root=tmp_path / "new", download=True)
