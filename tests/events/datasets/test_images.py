import gzip
import struct

import numpy as np
import pytest
import torch

from bayesnn_spike.events.datasets import DataSetError, load


def write_idx(path, array):
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes()))


@pytest.fixture
def folder(tmp_path):
    """200 training and 50 test images; pixel (0, 0) is black, (0, 1) white, the rest random."""
    random = np.random.Generator(np.random.Philox(key=1))
    for stem, n in (("train", 200), ("t10k", 50)):
        images = random.integers(0, 256, (n, 28, 28))
        images[:, 0, 0], images[:, 0, 1] = 0, 255
        write_idx(tmp_path / f"{stem}-images-idx3-ubyte.gz", images)
        write_idx(tmp_path / f"{stem}-labels-idx1-ubyte.gz", np.arange(n) % 10)
    return tmp_path


SIZES = {"train_size": 50, "val_size": 20, "calib_size": 30}


def test_small_files(folder):
    data = load("mnist", root=folder, bins=6, **SIZES)
    assert data.spikes.shape == (150, 6, 1, 28, 28)
    assert [len(split) for split in data.splits.values()] == [50, 20, 30, 50]
    assert data.splits["test"].examples.tolist() == list(range(200, 250))
    assert int(data.spikes[..., 0, 0].sum()) == 0
    assert int(data.spikes[..., 0, 1].sum()) == 150 * 6
    for split in data.splits.values():
        labels = data.labels[split.indices.copy()]
        assert torch.bincount(labels).tolist() == [len(split) // 10] * 10
        assert (labels.numpy() == split.examples % 10).all()


def test_an_image_has_its_spikes_whatever_else_is_loaded(folder):
    many = load("mnist", root=folder, bins=4, **SIZES)
    few = load("mnist", root=folder, bins=4, train_size=10, val_size=0, calib_size=0, test_size=20)
    assert list(few.splits) == ["train", "test"]
    assert len(few.splits["test"]) == 20
    assert few.fingerprint == many.fingerprint
    rows = {int(e): i for i, e in enumerate(many.splits["test"].examples)}
    test = few.splits["test"]
    for row, example in zip(test.indices.tolist(), test.examples.tolist(), strict=True):
        other = many.splits["test"].indices[rows[example]]
        torch.testing.assert_close(few.spikes[row], many.spikes[int(other)])
    assert few.splits["test"].shared(many.splits["test"]) == 20


def test_the_seed_decides_splits_and_spikes(folder):
    first, again, other = (load("mnist", root=folder, seed=s, **SIZES) for s in (0, 0, 1))
    assert first.info["digest"] == again.info["digest"] != other.info["digest"]
    assert first.splits["train"].digest != other.splits["train"].digest
    assert first.splits["test"].digest == other.splits["test"].digest


@pytest.mark.parametrize(
    ("name", "folder_name", "classes"),
    [("mnist", "mnist", "0"), ("fashion-mnist", "fashion_mnist", "T-shirt/top")],
)
def test_the_real_files(shared_data, name, folder_name, classes):
    sizes = {"train_size": 200, "val_size": 50, "calib_size": 50}
    data = load(name, root=shared_data / folder_name, bins=2, **sizes)
    assert [len(split) for split in data.splits.values()] == [200, 50, 50, 10_000]
    assert data.classes[0] == classes
    assert len(data.classes) == 10
    test = data.labels[data.splits["test"].indices.copy()]
    expected = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert torch.bincount(test).tolist() == (expected if name == "mnist" else [1000] * 10)
    # Spikes follow the pixels: mean rate 2 x 0.1325 (MNIST), 2 x 0.2868 (Fashion-MNIST) per pixel.
    mean = float(data.spikes[300:].float().mean())
    assert abs(mean - (0.1325 if name == "mnist" else 0.2868)) < 0.001


def test_too_many_images_are_refused(folder):
    with pytest.raises(DataSetError, match=r"asked for .*'train': 201.* there are 200"):
        load("mnist", root=folder, train_size=201, val_size=0, calib_size=0)
    with pytest.raises(DataSetError, match=r"there are 50 official"):
        load("mnist", root=folder, test_size=51, **SIZES)


def test_a_missing_file_is_named(folder):
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataSetError, match=r"no t10k-labels-idx1-ubyte\.gz or t10k.* Download"):
        load("mnist", root=folder, **SIZES)


def test_files_that_do_not_fit_together_are_refused(folder):
    write_idx(folder / "train-labels-idx1-ubyte.gz", np.zeros(199))
    with pytest.raises(DataSetError, match=r"images \[200, 28, 28\] and 199 labels"):
        load("mnist", root=folder, **SIZES)
