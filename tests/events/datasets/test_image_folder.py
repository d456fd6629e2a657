import dataclasses
import math

import numpy as np
import pytest
import torch

from bayesnn_spike.events.datasets.dataset import DataSetError
from bayesnn_spike.events.datasets.image_augment import Augment
from bayesnn_spike.events.datasets.image_batch import Scale, batches
from bayesnn_spike.events.datasets.image_folder import RandomCrop, image_folder
from bayesnn_spike.events.errors import EventFileError
from bayesnn_spike.rng import Stream
from tests.events.image_files import write_image_folder

SIZES = [(60, 40), (40, 60), (32, 32), (100, 33)]


@pytest.fixture
def root(tmp_path):
    write_image_folder(tmp_path, SIZES)
    return tmp_path


def open_(root, **options):
    return image_folder(root=root, **{"side": 24, "resize": 32, **options})


def test_files_labels_and_splits(root):
    data = open_(root, val_size=2)
    assert (len(data), data.shape, data.classes) == (16, (3, 24, 24), ("n01", "n02"))
    assert data.labels.tolist() == ([0] * 4 + [1] * 4) * 2
    assert data.files[4] == "train/n02/n02_0.JPEG"
    assert {name: len(split) for name, split in data.splits.items()} == {
        "train": 6,
        "val": 2,
        "test": 8,
    }
    assert all(data.files[row].startswith("val/") for row in data.splits["test"].indices)
    assert torch.bincount(data.labels[data.splits["val"].indices.copy()]).tolist() == [1, 1]
    assert open_(root).info["fingerprint"] == data.info["fingerprint"]
    (root / "val" / "n01" / "n01_3.JPEG").rename(root / "val" / "n01" / "other.jpg")
    assert open_(root).info["fingerprint"] != data.info["fingerprint"]


def test_the_middle_of_the_resized_image_is_cut_out(root):
    """Red rises over the width: its values in the crop are those of the middle, in place."""
    data = open_(root)
    images, labels = data.batch(np.arange(8))
    assert images.shape == (8, 3, 24, 24)
    assert labels.tolist() == [0] * 4 + [1] * 4
    blue = images[:, 2].mean((1, 2)) * 255
    assert (blue - torch.tensor([0.0] * 4 + [100.0] * 4)).abs().max() < 3
    for (width, height), image in zip(SIZES, images, strict=False):
        for plane, size in ((image[0].mean(0), width), (image[1].mean(1), height)):
            resized = max(32, size * 32 // min(width, height))
            middle = np.arange(24) + (resized - 24) // 2 + 0.5
            expected = torch.from_numpy(middle / resized).float()
            assert (plane - expected).abs().max() < 0.03


def test_random_crops_are_drawn_by_place_and_stream(root):
    data = open_(root)
    rows = np.array([0, 0, 1, 4])
    one, same, other = (
        data.batch(rows, augment=RandomCrop(), stream=Stream(s)).images for s in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert not torch.equal(one[0], one[1])  # one file twice, two crops
    with pytest.raises(ValueError, match="give the stream"):
        data.batch(rows, augment=RandomCrop())


def test_threads_change_no_pixel(root):
    data, threaded = open_(root), open_(root, workers=4)
    options = {"augment": RandomCrop(), "stream": Stream(1)}
    rows = np.arange(16)
    one, two = data.batch(rows, **options), threaded.batch(rows, **options)
    assert torch.equal(one.images, two.images)
    assert torch.equal(one.labels, two.labels)


def test_boxes_have_the_areas_and_ratios_that_are_promised():
    crop, width, height = RandomCrop(0.25), 300, 200
    found = [crop.box(width, height, Stream(1).child(n)) for n in range(2000)]
    areas, ratios = [], []
    for (left, top, right, bottom), _ in found:
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        areas.append((right - left) * (bottom - top) / (width * height))
        ratios.append((right - left) / (bottom - top))
    assert min(areas) > 0.245
    assert max(areas) <= 1
    assert min(ratios) > 0.74
    assert max(ratios) < 1.5 * 1.01  # the whole height at 4/3, or the middle square
    mirrored = sum(flip for _, flip in found)
    assert abs(mirrored - 1000) < 6 * math.sqrt(500)
    assert not any(RandomCrop(flip=False).box(9, 9, Stream(n))[1] for n in range(50))


def test_a_box_that_never_fits_is_the_middle_square():
    box, _ = RandomCrop(1.0).box(1000, 10, Stream(0))
    assert box == (495, 0, 505, 10)


def test_the_whole_image_mirrored_or_not():
    """With all the area of a square, only a box of ratio 1 fits, or the fallback: all of it."""
    boxes = {RandomCrop(1.0).box(50, 50, Stream(n)) for n in range(40)}
    assert boxes == {((0, 0, 50, 50), False), ((0, 0, 50, 50), True)}


def test_batches_read_a_folder(root):
    data = open_(root)
    parts = list(
        batches(data, "train", 5, stream=Stream(1), augment=RandomCrop(), scale=Scale(0.5, 0.5))
    )
    assert [len(part.labels) for part in parts] == [5, 3]
    assert parts[0].images.min() < 0
    assert sorted(torch.cat([part.labels for part in parts]).tolist()) == [0] * 4 + [1] * 4


def test_a_damaged_file_is_named(root):
    path = root / "train" / "n02" / "n02_1.JPEG"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(EventFileError, match="damaged JPEG") as caught:
        open_(root).batch(np.arange(8))
    assert caught.value.path == path
    with pytest.raises(IndexError):
        open_(root).batch([16])


def test_what_is_missing_is_named(root):
    with pytest.raises(DataSetError, match=r"no .*gone.*image-net\.org/download.*train/CLASS"):
        image_folder(root=root / "gone")
    (root / "val" / "n02").rename(root / "val" / "n03")
    with pytest.raises(DataSetError, match=r"train and val .* differ in 2 classes, such as 'n02'"):
        open_(root)
    (root / "train" / "n04").mkdir()
    with pytest.raises(DataSetError, match=r"no JPEG files in .*n04"):
        open_(root)
    for path in (root / "val", root / "train"):
        path.rename(path.with_name(f"{path.name}_kept"))
    with pytest.raises(DataSetError, match=r"there is no folder .*train"):
        open_(root)
    (root / "train").mkdir()
    with pytest.raises(DataSetError, match="no class folders in"):
        open_(root)


def test_impossible_options_are_refused(root):
    with pytest.raises(ValueError, match="resize must be at least side = 24, got 20"):
        open_(root, resize=20)
    with pytest.raises(ValueError, match="workers must be positive"):
        open_(root, workers=0)
    with pytest.raises(DataSetError, match="there are 8 official images"):
        open_(root, val_size=9)
    for area in (-0.1, 1.1):
        with pytest.raises(ValueError, match="least_area must lie in"):
            RandomCrop(area)
    assert dataclasses.replace(RandomCrop(), flip=False) == RandomCrop(flip=False)
    with pytest.raises(AttributeError):
        open_(root).batch([0], augment=Augment(1), stream=Stream(0))
