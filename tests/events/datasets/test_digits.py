import sys

import numpy as np
import pytest
import torch

from bayesnn_spike.events.datasets import DataSetError, digits, load
from tests.events.formats import Event, arrays_of


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache that holds the real data set, made once for this module."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAYESNN_SPIKE_CACHE", str(folder))
        digits.record_digits()
    return folder


@pytest.fixture
def cached(cache, monkeypatch):
    monkeypatch.setenv("BAYESNN_SPIKE_CACHE", str(cache))
    return cache


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """An empty cache, and three recordings instead of 1,797; counts how often they are made."""
    recordings = [[Event(t, n, 3, 1) for t in (7, 2000 * n + 10)] for n in range(3)]
    arrays = arrays_of(recordings, [0, 1, 2])
    made = []

    def make(camera_seed):
        made.append(camera_seed)
        return arrays

    monkeypatch.setenv("BAYESNN_SPIKE_CACHE", str(tmp_path))
    monkeypatch.setattr(digits, "_make", make)
    return made


def test_the_first_recordings_are_pinned(cached):
    recordings, digest = digits.record_digits()
    assert len(recordings) == 1797
    assert np.diff(recordings.offsets)[:5].tolist() == PINNED_LENGTHS
    assert digest == PINNED_DIGEST


def test_the_data_set(cached):
    data = load("digits-saccade")
    assert data.spikes.shape == (1797, 10, 2, 16, 16)
    assert [len(split) for split in data.splits.values()] == [1078, 180, 180, 359]
    assert data.labels[:10].tolist() == list(range(10))
    assert data.info["events"]["clipped"] == 0
    assert data.fingerprint == f"digits-saccade:{PINNED_DIGEST}"
    assert load("digits-saccade", bins=5, seed=1).fingerprint == data.fingerprint


def test_a_linear_classifier_does_well_but_not_perfectly(cached):
    data = load("digits-saccade")
    flat = data.spikes.reshape(1797, -1).double()
    target = torch.nn.functional.one_hot(data.labels, 10).double()
    train, test = (torch.from_numpy(data.splits[n].indices.copy()) for n in ("train", "test"))
    # Ridge regression in its dual form: 1,078 examples, 5,120 cells.
    gram = flat @ flat[train].T + 1.0
    weights = torch.linalg.solve(gram[train] + 30.0 * torch.eye(1078), target[train])
    right = (gram[test] @ weights).argmax(1) == data.labels[test]
    assert 0.92 < float(right.double().mean()) < 0.985


def test_recordings_are_made_once(tiny, tmp_path):
    first, digest = digits.record_digits(4)
    again, other = digits.record_digits(4)
    assert tiny == [4]
    assert digest == other
    assert [len(stream) for stream in again] == [2, 2, 2]
    np.testing.assert_array_equal(first.t_us, again.t_us)
    assert [path.name for path in tmp_path.iterdir()] == ["digits-saccade-v1-camera4.npz"]
    digits.record_digits(5)
    assert tiny == [4, 5]


def rewritten(path, **changes):
    with np.load(path, allow_pickle=False) as content:
        arrays = {name: content[name] for name in content.files}
    for name, value in changes.items():
        if value is None:
            del arrays[name]
        else:
            arrays[name] = value
    np.savez_compressed(path, **arrays)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-30]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes().replace(b"PK\x03\x04", b"PK\x00\x04", 1)),
        lambda path: rewritten(path, p=np.zeros(6, np.uint8)),  # sound, but other events
        lambda path: rewritten(path, labels=np.array([0, 1, 3])),
        lambda path: rewritten(path, labels=None),
        lambda path: rewritten(path, sha256=None),
        lambda path: rewritten(path, sha256=np.zeros(32, np.uint8)),
        lambda path: rewritten(path, x=np.full(6, 16, np.uint8)),
    ],
)
def test_a_damaged_cache_is_made_again(tiny, tmp_path, damage):
    _, digest = digits.record_digits()
    path = tmp_path / "digits-saccade-v1-camera0.npz"
    damage(path)
    assert digits.record_digits()[1] == digest
    assert tiny == [0, 0]
    assert digits.record_digits()[1] == digest
    assert tiny == [0, 0]


def test_a_cache_that_cannot_be_written_is_said_and_survived(tiny, tmp_path, monkeypatch):
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    monkeypatch.setenv("BAYESNN_SPIKE_CACHE", str(blocker / "cache"))
    with pytest.warns(UserWarning, match=r"could not be kept .* set BAYESNN_SPIKE_CACHE"):
        recordings, _ = digits.record_digits()
    assert len(recordings) == 3


def test_without_scikit_learn_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("BAYESNN_SPIKE_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataSetError, match=r"scikit-learn is not .*bayesnn_spike\[study\]"):
        digits.record_digits()


def test_the_cache_folder_falls_back_to_the_home(tmp_path, monkeypatch):
    from bayesnn_spike.events.datasets import cache_folder

    monkeypatch.delenv("BAYESNN_SPIKE_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "bayesnn_spike"


PINNED_LENGTHS = [732, 609, 656, 655, 627]
PINNED_DIGEST = "6eb1bd154e2098f91b8fe25769683049650bda26acb2d4ac948b2ac36cebc91c"
