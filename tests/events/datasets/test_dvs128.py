import pytest
import torch

from bayesnn_spike.events.datasets import DataSetError, load
from bayesnn_spike.events.errors import EventFileError
from bayesnn_spike.events.readers import Drop, Sort
from tests.events.formats import Event, aedat2_bytes

OBJECTS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def events(row):
    """The clock's first event in the crop's corner, then one at its far corner, in given row."""
    return [Event(0, 48, 48, 1), Event(1_999_999, 73, 48 + row, 0), Event(2_000_000, 50, 50, 0)]


@pytest.fixture
def digits(tmp_path):
    for digit in range(10):
        folder = tmp_path / f"grabbed_data{digit}" / "scale4"
        folder.mkdir(parents=True)
        for number in (*range(1, 11), 901, 1000):
            path = folder / f"mnist_{digit}_scale04_{number:04d}.aedat"
            path.write_bytes(aedat2_bytes(events(digit), start_us=12_345))
        other = folder / f"mnist_{digit}_scale08_0001.aedat"
        other.write_bytes(aedat2_bytes(events(digit)))
    return tmp_path


def test_mnist_dvs(digits):
    data = load("mnist-dvs", root=digits)
    assert data.spikes.shape == (120, 10, 2, 26, 26)
    assert torch.bincount(data.labels).tolist() == [12] * 10
    assert [len(split) for split in data.splits.values()] == [80, 10, 10, 20]
    for row in (0, 50, 119):
        label = int(data.labels[row])
        assert data.spikes[row].nonzero().tolist() == [[0, 1, 0, 0], [9, 0, label, 25]]
    assert data.info["events"] == {"events": 360, "kept": 240, "merged": 0, "clipped": 120}


def test_the_numbers_above_900_are_the_test_set(digits):
    data = load("mnist-dvs", root=digits, bins=2)
    names = sorted(p.name for p in digits.rglob("*scale04*"))
    tests = [i for i, name in enumerate(names) if name[16:20] in ("0901", "1000")]
    assert data.splits["test"].examples.tolist() == tests
    fewer = load("mnist-dvs", root=digits, bins=2, last_train_number=901)
    assert len(fewer.splits["test"]) == 10


def test_another_scale_and_no_crop(digits):
    data = load("mnist-dvs", root=digits, scale=8, crop=None, fractions={"train": 1.0})
    assert data.spikes.shape == (10, 10, 2, 128, 128)
    with pytest.raises(DataSetError, match="no mnist_DIGIT_scale16_NNNN"):
        load("mnist-dvs", root=digits, scale=16)
    with pytest.raises(DataSetError, match=r"crop .* leaves the sensor"):
        load("mnist-dvs", root=digits, crop=(120, 120, 26, 26))


@pytest.fixture
def objects(tmp_path):
    for label, name in enumerate(OBJECTS):
        (tmp_path / name).mkdir()
        for number in range(10):
            path = tmp_path / name / f"cifar10_{name}_{number}.aedat"
            path.write_bytes(aedat2_bytes([Event(0, 0, 0, 0), Event(700_000, 127, 4 * label, 1)]))
    return tmp_path


def test_cifar10_dvs(objects):
    data = load("cifar10-dvs", root=objects)
    assert data.spikes.shape == (100, 10, 2, 32, 32)
    assert data.classes == OBJECTS
    assert [len(split) for split in data.splits.values()] == [60, 10, 10, 20]
    for row in (0, 55, 99):
        label = int(data.labels[row])
        assert data.spikes[row].nonzero().tolist() == [[0, 0, 0, 0], [5, 1, label, 31]]


def test_damage_is_named_and_policies_are_passed_on(objects):
    path = objects / "cat" / "cifar10_cat_3.aedat"
    path.write_bytes(aedat2_bytes([Event(10, 0, 0, 0), Event(4, 1, 1, 1)]))
    with pytest.raises(EventFileError, match=r"cifar10_cat_3\.aedat"):
        load("cifar10-dvs", root=objects)
    assert len(load("cifar10-dvs", root=objects, on_backwards=Sort())) == 100
    special = bytes([0, 0, 128, 0, 0, 0, 0, 20])
    path.write_bytes(aedat2_bytes([Event(10, 0, 0, 0)]) + special)
    with pytest.raises(EventFileError, match="special event"):
        load("cifar10-dvs", root=objects)
    assert len(load("cifar10-dvs", root=objects, on_special=Drop())) == 100
