import numpy as np
import pytest

from bayesnn_spike.events.datasets.cifar import CIFAR10_CLASSES, read_cifar10, read_cifar100
from bayesnn_spike.events.datasets.dataset import DataSetError
from bayesnn_spike.events.errors import EventFileError
from tests.events.image_files import CIFAR100_NAMES, write_cifar10, write_cifar100


def test_cifar10_reads_what_was_written(tmp_path):
    images = write_cifar10(tmp_path, 12)
    found = read_cifar10("cifar10", tmp_path)
    np.testing.assert_array_equal(found.images, images)
    assert found.labels.tolist() == [row % 10 for _ in range(6) for row in range(12)]
    assert found.n_train == 60
    assert found.classes == CIFAR10_CLASSES
    assert (tmp_path / "batches.meta.txt").read_text().split() == list(CIFAR10_CLASSES)


def test_a_record_is_a_label_and_three_planes(tmp_path):
    """One image by hand: red 1, green 2, blue 3, and a corner of each plane marked."""
    write_cifar10(tmp_path, 1)
    planes = bytearray(bytes([1]) * 1024 + bytes([2]) * 1024 + bytes([3]) * 1024)
    planes[31], planes[1024 + 32] = 101, 102
    (tmp_path / "data_batch_1.bin").write_bytes(bytes([9]) + planes)
    found = read_cifar10("cifar10", tmp_path)
    image = found.images[0]
    assert found.labels[0] == 9
    assert image[:, 5, 5].tolist() == [1, 2, 3]
    assert image[0, 0, 31] == 101  # the end of the first row of red
    assert image[1, 1, 0] == 102  # the start of the second row of green


def test_the_folder_around_it_will_do(tmp_path):
    write_cifar10(tmp_path / "cifar-10-batches-bin", 2)
    write_cifar100(tmp_path / "cifar-100-binary", 100, 100)
    ten, hundred = read_cifar10("cifar10", tmp_path), read_cifar100("cifar100", tmp_path)
    assert (ten.folder.name, hundred.folder.name) == ("cifar-10-batches-bin", "cifar-100-binary")
    assert len(ten.labels) == 12


def test_cifar100_takes_the_fine_labels(tmp_path):
    images = write_cifar100(tmp_path, 130, 20)
    found = read_cifar100("cifar100", tmp_path)
    np.testing.assert_array_equal(found.images, images)
    assert found.labels.tolist() == [*(row % 100 for row in range(130)), *range(20)]
    assert (found.n_train, found.classes) == (130, tuple(CIFAR100_NAMES))


def test_the_fingerprint_is_of_images_and_labels(tmp_path):
    write_cifar10(tmp_path, 2)
    first = read_cifar10("cifar10", tmp_path).fingerprint
    assert read_cifar10("cifar10", tmp_path).fingerprint == first
    path = tmp_path / "test_batch.bin"
    for place in (0, 3073 + 5):
        data = bytearray(path.read_bytes())
        data[place] = (data[place] + 1) % 10
        path.write_bytes(data)
        changed = read_cifar10("cifar10", tmp_path).fingerprint
        assert changed != first
        assert changed.startswith("cifar10:")


@pytest.mark.parametrize("cut", [1, 3072, 3074, 2 * 3073 - 1])
def test_a_file_cut_short_is_refused(tmp_path, cut):
    write_cifar10(tmp_path, 2)
    path = tmp_path / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(EventFileError, match="records of 3073 bytes: 1 of labels") as caught:
        read_cifar10("cifar10", tmp_path)
    assert caught.value.path == path
    assert caught.value.offset == cut // 3073 * 3073


def test_an_empty_file_is_refused(tmp_path):
    write_cifar10(tmp_path, 2)
    (tmp_path / "test_batch.bin").write_bytes(b"")
    with pytest.raises(EventFileError, match="at byte 0: found 0 bytes"):
        read_cifar10("cifar10", tmp_path)


def test_an_impossible_label_is_refused(tmp_path):
    write_cifar10(tmp_path, 4)
    path = tmp_path / "data_batch_2.bin"
    data = bytearray(path.read_bytes())
    data[2 * 3073] = 10
    path.write_bytes(data)
    message = r"at byte 6146: found label 10 of image 2, expected a label below 10"
    with pytest.raises(EventFileError, match=message):
        read_cifar10("cifar10", tmp_path)
    write_cifar100(tmp_path, 100, 100)
    path = tmp_path / "test.bin"
    data = bytearray(path.read_bytes())
    data[3 * 3074 + 1] = 200
    path.write_bytes(data)
    with pytest.raises(EventFileError, match="at byte 9223: found label 200 of image 3"):
        read_cifar100("cifar100", tmp_path)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(DataSetError, match=r"there is no .*gone.*cifar-10-binary\.tar\.gz, from"):
        read_cifar10("cifar10", tmp_path / "gone")
    write_cifar10(tmp_path, 2)
    (tmp_path / "data_batch_4.bin").unlink()
    message = r"found no data_batch_4\.bin in .* https://www\.cs\.toronto\.edu/~kriz/cifar\.html"
    with pytest.raises(DataSetError, match=message):
        read_cifar10("cifar10", tmp_path)
    write_cifar100(tmp_path, 100, 100)
    (tmp_path / "fine_label_names.txt").write_text("apple\n")
    with pytest.raises(DataSetError, match="names 1 classes instead of 100"):
        read_cifar100("cifar100", tmp_path)
