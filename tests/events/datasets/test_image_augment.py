import math

import pytest
import torch

from bayesnn_spike.events.datasets.image_augment import Augment
from bayesnn_spike.rng import Stream


def numbered(n=1, channels=2, side=5):
    """Every pixel of an image has a value of its own, from 1."""
    image = torch.arange(1, channels * side * side + 1, dtype=torch.uint8)
    return image.view(1, channels, side, side).expand(n, -1, -1, -1).clone()


def by_hand(image, down, right):
    """The image moved, black where nothing is; pixel by pixel."""
    channels, height, width = image.shape
    out = torch.zeros_like(image)
    for c in range(channels):
        for y in range(height):
            for x in range(width):
                if 0 <= y - down < height and 0 <= x - right < width:
                    out[c, y, x] = image[c, y - down, x - right]
    return out


def test_every_image_is_one_of_the_shifted_copies():
    images = numbered(200)
    moved = Augment(shift=2)(images, Stream(1))
    copies = [by_hand(images[0], down, right) for down in range(-2, 3) for right in range(-2, 3)]
    found = [next(i for i, copy in enumerate(copies) if torch.equal(copy, m)) for m in moved]
    # All 25 appear, each about 8 times: within six deviations of a binomial.
    counts = torch.bincount(torch.tensor(found), minlength=25)
    assert counts.min() > 0
    assert counts.max() < 8 + 6 * math.sqrt(200 / 25)


def test_half_of_the_images_are_mirrored():
    images = numbered(400)
    found = Augment(flip=True)(images, Stream(2))
    mirrored = [torch.equal(image, images[0].flip(-1)) for image in found]
    kept = [torch.equal(image, images[0]) for image in found]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert abs(sum(mirrored) - 200) < 6 * math.sqrt(100)


def test_nothing_to_do_gives_a_copy():
    images = numbered(3)
    same = Augment()(images, Stream(0))
    assert torch.equal(same, images)
    same.zero_()
    assert images.min() > 0


def test_the_stream_decides_and_the_input_stays():
    images = numbered(50)
    one, again, other = (Augment(2, flip=True)(images, Stream(s)) for s in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(images, numbered(50))
    assert one.dtype == torch.uint8


def test_flips_do_not_hang_on_shifts():
    """Shift and flip have children of their own: flipping changes no shift."""
    images = numbered(50)
    plain, flipped = (Augment(2, flip=f)(images, Stream(1)) for f in (False, True))
    for a, b in zip(plain, flipped, strict=True):
        assert torch.equal(a, b) or torch.equal(a.flip(-1), b)


@pytest.mark.parametrize("shift", [-1, 1.0, True])
def test_a_shift_that_is_no_whole_number_is_refused(shift):
    with pytest.raises(ValueError, match="a whole number of pixels"):
        Augment(shift)


def test_images_of_other_axes_are_refused():
    with pytest.raises(ValueError, match=r"images must be \[B, C, H, W\], got \[2, 5, 5\]"):
        Augment(1)(numbered()[0], Stream(0))
