"""Augmentation of still images in training. Pure: the input is never written to.

Oracle: tests/events/datasets/test_image_augment.py.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import pad

from bayesnn_spike.rng import Stream


@final
@dataclass(frozen=True)
class Augment:
    """Move every image by a random whole number of pixels, and mirror every second one.

    A random crop of the original size out of an image with a border of p black pixels is a shift
    by up to p: `Augment(shift=4, flip=True)` is the usual one for CIFAR.

    Args:
        shift: largest shift in each direction, >= 0; rows and columns are drawn uniformly from
            -shift .. shift for every image. What is left empty is black (0).
        flip: mirror left and right with probability 1/2.

    Raises:
        ValueError: `shift` is not an integer >= 0.
    """

    shift: int = 0
    flip: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.shift, bool) or not isinstance(self.shift, int) or self.shift < 0:
            raise ValueError(f"a shift needs a whole number of pixels >= 0, got {self.shift!r}")

    def __call__(self, images: Tensor, stream: Stream) -> Tensor:
        """Return the augmented images.

        Args:
            images: `[B, C, H, W]`, any dtype.
            stream: source of shifts and flips; give each batch a child of its own.

        Returns:
            A new tensor of the same shape and dtype.

        Raises:
            ValueError: the images have another number of axes.
        """
        if images.ndim != 4:
            raise ValueError(f"images must be [B, C, H, W], got {list(images.shape)}")
        moved = images.clone() if self.shift == 0 else self._move(images, stream.child("shift"))
        if self.flip:
            chosen = torch.rand(len(images), generator=stream.child("flip").generator()) < 0.5
            moved = torch.where(chosen[:, None, None, None], moved.flip(-1), moved)
        return moved

    def _move(self, images: Tensor, stream: Stream) -> Tensor:
        batch, _, height, width = images.shape
        side = 2 * self.shift + 1
        corners = torch.randint(0, side, (2, batch), generator=stream.generator())
        # All shifted copies as one view of the padded images; each image picks its own.
        copies = pad(images, (self.shift,) * 4).unfold(2, height, 1).unfold(3, width, 1)
        return copies[torch.arange(batch), :, corners[0], corners[1]]
