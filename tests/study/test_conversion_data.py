"""study/conversion_data: where images lie, and how `fit` gets them."""

import numpy as np
import pytest
import torch

from bayesnn_spike.encoding import SignedRate
from bayesnn_spike.events.datasets import Augment, DataSetError, Scale
from bayesnn_spike.learn.fit import Batches
from bayesnn_spike.rng import Stream
from bayesnn_spike.study.conversion_data import Rows, load_images, reading
from bayesnn_spike.study.errors import ConfigError
from bayesnn_spike.types import Batch
from tests.events.image_files import write_image_folder
from tests.study.tiny_recipe import recipe, write_images


@pytest.mark.parametrize("inside", ["cifar10", "cifar-10-batches-bin", "."])
def test_the_root_holds_the_data_set_or_is_it(tmp_path, inside: str) -> None:
    write_images(tmp_path / inside, 4)
    assert len(load_images(recipe(), tmp_path).splits["train"]) == 10


def test_without_a_root_the_cache_is_looked_through(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("BAYESNN_SPIKE_CACHE", str(tmp_path))
    with pytest.raises(DataSetError, match="cifar10: there is no"):
        load_images(recipe(), None)
    write_images(tmp_path / "cifar10", 4)
    assert len(load_images(recipe(), None)) == 24


def test_what_is_missing_is_named_with_the_place(tmp_path) -> None:
    with pytest.raises(DataSetError, match=r"found no data_batch_1\.bin in .*Download the binary"):
        load_images(recipe(), tmp_path)


def test_a_recipe_that_leaves_nothing_to_train_on_is_refused(tmp_path) -> None:
    write_images(tmp_path, 2)
    with pytest.raises(ConfigError, match="no images are left in the split 'train' of cifar10"):
        load_images(recipe(), tmp_path)
    with pytest.raises(DataSetError, match=r"asked for .*, but there are 10"):
        load_images(recipe(data={"val_size": 11}), tmp_path)


def test_rows_are_numbers_of_images() -> None:
    rows = Rows(torch.arange(10) % 3)
    assert isinstance(rows, Batches)
    indices = np.array([7, 0, 5])
    indices.flags.writeable = False
    found = rows.batch(indices)
    assert found.spikes.tolist() == [7, 0, 5]
    assert found.labels.tolist() == [1, 0, 2]


def test_images_are_read_augmented_and_encoded_behind_them(tmp_path) -> None:
    config = recipe(data={"augment": {"kind": "shift", "shift": 3}})
    data = load_images(config, write_images(tmp_path, 4))
    batch, stream = Batch(torch.tensor([3, 1]), torch.tensor([3, 1])), Stream(4)
    images, labels = reading(config, data, device="cpu")(batch, stream)
    expected = data.batch(
        [3, 1], scale=Scale(0.5, 0.5), augment=Augment(3), stream=stream.child("images")
    ).images
    torch.testing.assert_close(images, expected)
    assert labels.tolist() == [3, 1]
    spikes, _ = reading(config, data, device="cpu", steps=7)(batch, stream)
    torch.testing.assert_close(spikes, SignedRate(7, stream.child("spikes")).encode(images))
    other, _ = reading(config, data, device="cpu", steps=7)(batch, Stream(5))
    assert not torch.equal(other, spikes)


def test_a_folder_of_jpeg_files(tmp_path) -> None:
    write_image_folder(tmp_path / "image-folder", [(40, 36)] * 3)
    block = {"name": "image-folder", "side": 24, "resize": 32, "val_size": 2}
    config = recipe(data={**block, "augment": {"kind": "crop", "least_area": 0.5}})
    data = load_images(config, tmp_path)
    images, labels = reading(config, data, device="cpu")(
        Batch(torch.tensor([0, 5]), torch.tensor([0, 1])), Stream(0)
    )
    assert images.shape == (2, 3, 24, 24)
    assert labels.tolist() == [0, 1]
