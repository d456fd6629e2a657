import numpy as np
import pytest
import torch

from bayesnn_spike.events.datasets import DataSetError, load
from bayesnn_spike.events.datasets.image_augment import Augment
from bayesnn_spike.events.datasets.image_batch import Scale
from bayesnn_spike.events.datasets.still import ImageSet, load_still, still_names
from bayesnn_spike.events.splits import Split
from bayesnn_spike.rng import Stream
from tests.events.image_files import write_cifar10, write_mnist


def test_names():
    assert still_names() == ("mnist", "fashion-mnist", "cifar10", "cifar100", "cifar10-jpeg")


def test_images_labels_and_splits_of_small_files(tmp_path):
    images = write_mnist(tmp_path, 200, 50)
    data = load_still("mnist", root=tmp_path, val_size=40, calib_size=20)
    assert (len(data), data.shape) == (250, (1, 28, 28))
    np.testing.assert_array_equal(data.images[:, 0].numpy(), images)
    assert data.labels.tolist() == [*(i % 10 for i in range(200)), *(i % 10 for i in range(50))]
    assert {name: len(split) for name, split in data.splits.items()} == {
        "train": 140,
        "val": 40,
        "calib": 20,
        "test": 50,
    }
    assert data.splits["test"].indices.tolist() == list(range(200, 250))
    rows = np.concatenate([data.splits[name].indices for name in ("train", "val", "calib")])
    assert sorted(rows.tolist()) == list(range(200))
    for name in ("train", "val", "calib"):
        found = torch.bincount(data.labels[data.splits[name].indices.copy()])
        assert found.tolist() == [len(data.splits[name]) // 10] * 10


def test_a_smaller_train_leaves_val_as_it_is(tmp_path):
    write_mnist(tmp_path, 200, 50)
    whole = load_still("mnist", root=tmp_path, val_size=40)
    part = load_still("mnist", root=tmp_path, val_size=40, train_size=50)
    assert part.splits["val"] == whole.splits["val"]
    assert len(part.splits["train"]) == 50
    assert part.splits["train"].shared(whole.splits["train"]) == 50
    other = load_still("mnist", root=tmp_path, val_size=40, seed=1)
    assert other.splits["val"].digest != whole.splits["val"].digest
    assert "val" not in load_still("mnist", root=tmp_path, val_size=0).splits


def test_the_fingerprint_is_that_of_the_rate_coded_images(tmp_path):
    write_mnist(tmp_path, 200, 50)
    still = load_still("mnist", root=tmp_path, val_size=40)
    spikes = load("mnist", root=tmp_path, train_size=100, val_size=20, calib_size=20)
    assert still.fingerprint == spikes.fingerprint
    assert still.splits["test"].shared(spikes.splits["test"]) == 50
    assert still.splits["test"].digest == spikes.splits["test"].digest


def test_a_batch_is_scaled_and_in_order(tmp_path):
    images = write_mnist(tmp_path, 60, 20)
    data = load_still("mnist", root=tmp_path, val_size=10)
    batch = data.batch(np.array([7, 3]), scale=Scale(0.5, 0.5))
    assert batch.images.dtype == torch.float32
    assert batch.labels.tolist() == [7, 3]
    expected = images[[7, 3], None].astype(np.float32) / 127.5 - 1
    np.testing.assert_allclose(batch.images.numpy(), expected, atol=1e-6)
    torch.testing.assert_close(data.batch(torch.tensor([7])).images, batch.images[:1] / 2 + 0.5)
    with pytest.raises(IndexError):
        data.batch([80])


def test_an_augmentation_changes_the_batch_and_not_the_data(tmp_path):
    write_mnist(tmp_path, 60, 20)
    data = load_still("mnist", root=tmp_path, val_size=10)
    before = data.images.clone()
    rows = data.splits["test"].indices
    one, same = (data.batch(rows, augment=Augment(2), stream=Stream(1)) for _ in range(2))
    torch.testing.assert_close(one.images, same.images, rtol=0, atol=0)
    assert not torch.equal(one.images, data.batch(rows).images)
    assert torch.equal(data.images, before)
    with pytest.raises(ValueError, match="give the stream it draws from"):
        data.batch(rows, augment=Augment(2))


@pytest.mark.parametrize(
    ("name", "folder", "first"), [("mnist", "mnist", 5), ("fashion-mnist", "fashion_mnist", 9)]
)
def test_the_real_files(shared_data, name, folder, first):
    """The first training labels and the mean grey are well known."""
    data = load_still(name, root=shared_data / folder)
    assert [len(split) for split in data.splits.values()] == [55_000, 5_000, 10_000]
    assert int(data.labels[0]) == first
    mean = float(data.images[:60_000].double().mean()) / 255
    assert mean == pytest.approx(0.1307 if name == "mnist" else 0.2860, abs=1e-4)


def test_cifar10_by_its_name(tmp_path):
    images = write_cifar10(tmp_path / "cifar-10-batches-bin", 20)
    data = load_still("cifar10", root=tmp_path, val_size=10)
    assert data.shape == (3, 32, 32)
    np.testing.assert_array_equal(data.images.numpy(), images)
    assert [len(split) for split in data.splits.values()] == [90, 10, 20]


def test_what_cannot_be_loaded_is_refused(tmp_path):
    with pytest.raises(DataSetError, match=r"no still images 'svhn'; there are mnist, .*folders"):
        load_still("svhn")
    with pytest.raises(DataSetError, match=r"there is no .*gone.*Download"):
        load_still("mnist", root=tmp_path / "gone")
    write_mnist(tmp_path, 60, 20)
    with pytest.raises(DataSetError, match="there are 60 official images"):
        load_still("mnist", root=tmp_path, val_size=61)


def test_parts_that_do_not_fit_together_are_refused():
    images, labels = torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 1, 1])
    split = Split("x:1", "test", np.array([0]))

    def build(images=images, labels=labels, splits=None):
        return ImageSet("x", images, labels, ("a", "b"), splits or {}, {"fingerprint": "x:1"})

    assert build(splits={"test": split}).fingerprint == "x:1"
    cases = [
        ({"images": images.float()}, "images must be uint8"),
        ({"images": images[:, 0]}, "images must be uint8"),
        ({"labels": labels[:2]}, r"labels must be int64 \[3\]"),
        ({"labels": labels + 1}, "labels run from 1 to 2, but there are 2 classes"),
        ({"splits": {"t": Split("y:1", "t", np.array([0]))}}, "none of x:1"),
        ({"splits": {"t": Split("x:1", "t", np.array([3]))}}, "up to row 3"),
    ]
    for wrong, message in cases:
        with pytest.raises(DataSetError, match=message):
            build(**wrong)
