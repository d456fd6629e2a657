import numpy as np
import pytest

from bayesnn_spike.events.datasets.cifar_jpeg import read_cifar10_jpeg
from bayesnn_spike.events.datasets.dataset import DataSetError
from bayesnn_spike.events.datasets.still import load_still
from bayesnn_spike.events.errors import EventFileError
from tests.events.image_files import write_cifar10_jpeg


@pytest.fixture
def path(tmp_path):
    """Five flat images: training, test, training, test, test; image i is grey 40 i."""
    images = np.stack([np.full((32, 32, 3), 40 * i, np.uint8) for i in range(5)])
    file = tmp_path / "cifar10_jpeg.npz"
    write_cifar10_jpeg(file, images, [3, 1, 4, 1, 5], [0, 1, 0, 1, 1])
    return file


def damage(path, **changed):
    with np.load(path, allow_pickle=False) as file:
        arrays = {**{key: file[key] for key in file}, **changed}
    np.savez_compressed(path, **{key: a for key, a in arrays.items() if a is not None})


def test_training_images_come_first(path):
    for root in (path, path.parent):
        found = read_cifar10_jpeg("cifar10-jpeg", root)
        assert found.images.shape == (5, 3, 32, 32)
        assert np.abs(found.images.mean((1, 2, 3)) - [0, 80, 40, 120, 160]).max() < 1.5
        assert found.labels.tolist() == [3, 4, 1, 1, 5]
        assert (found.n_train, found.classes[3]) == (2, "class3")
        assert found.fingerprint.startswith("cifar10-jpeg:")


def test_the_real_file(shared_data, tmp_path):
    """A part of it, and its test images against lossless ones: the PSNR that its README says."""
    folder = shared_data / "cifar10_jpeg"
    with np.load(folder / "cifar10_test1000_lossless.npz", allow_pickle=False) as file:
        exact = file["x"][:500].transpose(0, 3, 1, 2).astype(float)
        labels, rows = file["labels"][:500], 50_000 + file["jpeg_test_index"][:500]
    with np.load(folder / "cifar10_jpeg.npz", allow_pickle=False) as file:
        arrays = {key: file[key] for key in file}
    assert (arrays["split"] == np.repeat([0, 1], [50_000, 10_000])).all()
    assert np.bincount(arrays["labels"]).tolist() == [6000] * 10
    rows = np.concatenate([np.arange(200), rows])
    scan, offsets = arrays["scan"], arrays["offsets"]
    parts = [scan[offsets[row] : offsets[row + 1]] for row in rows]
    arrays["scan"] = np.concatenate(parts)
    arrays["offsets"] = np.cumsum([0, *map(len, parts)])
    arrays["labels"], arrays["split"] = arrays["labels"][rows], arrays["split"][rows]
    np.savez(tmp_path / "cifar10_jpeg.npz", **arrays)

    data = load_still("cifar10-jpeg", root=tmp_path, val_size=50)
    assert [len(split) for split in data.splits.values()] == [150, 50, 500]
    assert data.classes[:2] == ("airplane", "automobile")
    assert data.labels[200:].tolist() == labels.tolist()
    error = ((data.images[200:].numpy() - exact) ** 2).mean((1, 2, 3))
    assert (10 * np.log10(255**2 / error)).mean() == pytest.approx(30.54, abs=0.3)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": None}, "at labels: found no such array"),
        ({"offsets": np.array([0, 5])}, "at offsets: found 2 offsets for 5 images"),
        ({"offsets": np.array([0, 9, 3, 4, 5, 6])}, "n \\+ 1 offsets from 0 to the end of scan"),
        ({"labels": np.array([3, 1, 4, 1, 10])}, "at labels: found .* up to 10, expected"),
        ({"split": np.array([0, 1, 0, 1, 2])}, "at split: found .* up to 2, expected"),
        ({"labels": np.zeros(0, int), "offsets": np.array([0])}, "1 offsets for 0 images"),
    ],
)
def test_damage_is_refused_and_named(path, changed, message):
    damage(path, **changed)
    with pytest.raises(EventFileError, match=message):
        read_cifar10_jpeg("cifar10-jpeg", path)


def test_a_damaged_image_is_named(path):
    with np.load(path, allow_pickle=False) as file:
        scan, offsets = file["scan"].copy(), file["offsets"].copy()
    cut = int(offsets[3])
    offsets[3:] -= 8
    damage(path, scan=np.delete(scan, np.arange(cut - 8, cut)), offsets=offsets)
    with pytest.raises(EventFileError, match=r"at scan\[offsets\[2\]\]: found damaged JPEG"):
        read_cifar10_jpeg("cifar10-jpeg", path)


def test_an_image_of_another_size_is_refused(path):
    images = np.zeros((1, 16, 32, 3), np.uint8)
    write_cifar10_jpeg(path, images, [0], [0])
    with pytest.raises(EventFileError, match=r"shape \[16, 32, 3\], expected \[32, 32, 3\]"):
        read_cifar10_jpeg("cifar10-jpeg", path)


def test_a_file_that_is_no_npz_is_refused(tmp_path):
    file = tmp_path / "cifar10_jpeg.npz"
    with file.open("wb") as opened:
        np.save(opened, np.zeros(3))
    with pytest.raises(EventFileError, match="no readable npz"):
        read_cifar10_jpeg("cifar10-jpeg", file)
    for content in (b"nonsense", b"PK\x03\x04 broken"):
        file.write_bytes(content)
        with pytest.raises(EventFileError, match="no readable npz"):
            read_cifar10_jpeg("cifar10-jpeg", file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataSetError, match=r"found no cifar10_jpeg\.npz .* lossless 'cifar10'"):
        read_cifar10_jpeg("cifar10-jpeg", tmp_path)
