import numpy as np
import pytest
import torch

from bayesnn_spike.events.datasets.dataset import DataSetError
from bayesnn_spike.events.datasets.image_augment import Augment
from bayesnn_spike.events.datasets.image_batch import Scale, batches
from bayesnn_spike.events.datasets.still import ImageSet
from bayesnn_spike.events.splits import Split
from bayesnn_spike.rng import Stream

N = 25


@pytest.fixture
def data() -> ImageSet:
    """Image i is grey i everywhere."""
    images = torch.arange(N, dtype=torch.uint8)[:, None, None, None].expand(N, 1, 6, 6).clone()
    splits = {
        "train": Split("x:1", "train", np.arange(20)),
        "test": Split("x:1", "test", np.arange(20, N)),
    }
    names = tuple(map(str, range(N)))
    return ImageSet("x", images, torch.arange(N), names, splits, {"fingerprint": "x:1"})


def test_scale_by_hand():
    values = torch.tensor([[0, 51, 255]], dtype=torch.uint8)
    torch.testing.assert_close(Scale()(values), torch.tensor([[0.0, 0.2, 1.0]]))
    torch.testing.assert_close(Scale(0.5, 0.5)(values), torch.tensor([[-1.0, -0.6, 1.0]]))
    numbers = torch.tensor([255.0])
    Scale(0.5, 0.5)(numbers)
    assert numbers.tolist() == [255.0]
    with pytest.raises(ValueError, match="must be positive"):
        Scale(0.0, 0.0)


def test_an_epoch_has_every_example_once(data):
    parts = list(batches(data, "train", 8, stream=Stream(3)))
    assert [len(part.labels) for part in parts] == [8, 8, 4]
    labels = torch.cat([part.labels for part in parts])
    assert sorted(labels.tolist()) == list(range(20))
    assert labels.tolist() != list(range(20))
    greys = torch.cat([part.images[:, 0, 0, 0] for part in parts])
    torch.testing.assert_close(greys, labels / 255)


def test_the_stream_decides_the_order_and_without_one_it_is_kept(data):
    def labels(stream):
        return torch.cat([part.labels for part in batches(data, "train", 8, stream=stream)])

    assert torch.equal(labels(Stream(3)), labels(Stream(3)))
    assert not torch.equal(labels(Stream(3)), labels(Stream(4)))
    assert labels(None).tolist() == list(range(20))
    tests = [part.labels.tolist() for part in batches(data, "test", 3)]
    assert tests == [[20, 21, 22], [23, 24]]


def test_the_order_is_known():
    """From raw words of Philox: the same on every machine, whatever the version of numpy."""
    words = Stream(3).child("order").numpy().bit_generator.random_raw(4)
    assert words.dtype == np.uint64
    images = torch.zeros(4, 1, 2, 2, dtype=torch.uint8)
    splits = {"train": Split("x:1", "train", np.arange(4))}
    info = {"fingerprint": "x:1"}
    small = ImageSet("x", images, torch.arange(4), ("a", "b", "c", "d"), splits, info)
    (found,) = batches(small, "train", 4, stream=Stream(3))
    assert found.labels.tolist() == np.argsort(words).tolist()


def test_every_batch_is_augmented_in_its_own_way(data):
    one, two, same = (
        list(batches(data, "train", 10, stream=Stream(s), augment=Augment(3))) for s in (3, 4, 3)
    )
    assert torch.equal(one[0].images, same[0].images)
    black = [[(image == 0).sum().item() for image in part.images] for part in (*one, *two)]
    assert len({tuple(row) for row in black}) == 4


def test_what_makes_no_epoch_is_refused_at_once(data):
    with pytest.raises(DataSetError, match="no split 'val'; there are train, test"):
        batches(data, "val", 8)
    with pytest.raises(ValueError, match="mini-batch must be positive"):
        batches(data, "train", 0)
    with pytest.raises(ValueError, match="give the stream"):
        batches(data, "train", 8, augment=Augment(1))
