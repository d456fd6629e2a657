import numpy as np
import pytest

from bayesnn_spike.events.datasets import DataSetError, load
from bayesnn_spike.events.errors import EventFileError
from tests.events.formats import Event, aedat3_bytes, arrays_of, packet_bytes, write_npz

USERS = (1, 2, 3, 4, 5, 6, 23, 24, 29)
TITLE = "class,startTime_usec,endTime_usec\n"


@pytest.fixture
def folder(tmp_path):
    """One recording a user: gestures 1 to 11 for 1 ms each, with one event at (x = user, y = 4)."""
    for user in USERS:
        events = [Event(1000 * g + 3, user, 4, 1) for g in range(11)] + [Event(11_000, 0, 0, 0)]
        stem = tmp_path / f"user{user:02d}_led"
        stem.with_suffix(".aedat").write_bytes(aedat3_bytes(packet_bytes(events)))
        rows = "".join(f"{g + 1},{1000 * g},{1000 * g + 1000}\n" for g in range(11))
        (tmp_path / f"{stem.name}_labels.csv").write_text(TITLE + rows)
    return tmp_path


def test_clips_of_a_folder(folder):
    data = load("dvs-gesture", root=folder, bins=2, duration_ms=1, grid=None)
    assert data.spikes.shape == (99, 2, 2, 128, 128)
    assert data.labels.tolist() == list(range(11)) * 9
    assert data.classes[0] == "hand clapping"
    users = data.spikes[:, 0, 1, 4].numpy().argmax(1)
    assert users.tolist() == np.repeat(USERS, 11).tolist()
    assert int(data.spikes.sum()) == 99
    # No user in two splits; users 24 to 29 are the test set.
    owners = {name: set(users[split.indices].tolist()) for name, split in data.splits.items()}
    assert owners["test"] == {24, 29}
    assert sum(len(owner) for owner in owners.values()) == len(USERS)
    assert len(owners["train"]) == 5


def test_the_grid_pools_pixels(folder):
    data = load("dvs-gesture", root=folder, duration_ms=1)
    assert data.spikes.shape == (99, 10, 2, 32, 32)
    assert data.spikes[:, 0, 1, 1].numpy().argmax(1).tolist() == [
        u // 4 for u in np.repeat(USERS, 11)
    ]


def test_an_npz_of_clips(shared_data):
    path = shared_data / "dvs_gesture10" / "dvs_gesture10.npz"
    data = load("dvs-gesture", root=path, bins=5, fractions={"train": 1.0})
    assert data.spikes.shape == (10, 5, 2, 32, 32)
    assert data.labels.tolist() == list(range(10))
    assert data.info["events"]["events"] == 1_206_710
    assert float(data.spikes.float().mean()) > 0.05


def test_missing_label_files_and_bad_labels_are_refused(folder):
    (folder / "user03_led_labels.csv").unlink()
    with pytest.raises(DataSetError, match=r"user03_led\.aedat has no user03_led_labels\.csv"):
        load("dvs-gesture", root=folder)
    path = write_npz(folder / "a.npz", arrays_of([[Event(1, 1, 1, 1)]], [0]))
    with pytest.raises(DataSetError, match="must have labels 1 to 11"):
        load("dvs-gesture", root=path)


def test_a_damaged_recording_is_named(folder):
    path = folder / "user04_led.aedat"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(EventFileError, match=r"user04_led\.aedat"):
        load("dvs-gesture", root=folder)
