"""Augmentation of binned recordings. Pure: the input is never written to.

Oracle: tests/events/test_augment.py.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import pad

from bayesnn_spike.rng import Stream


@final
@dataclass(frozen=True)
class Shift:
    """Move every example by a random whole number of pixels, filling with silence.

    Args:
        pixels: largest shift in each direction, >= 0. Both axes are drawn uniformly from
            -pixels .. pixels, once per example and the same at all time steps.

    Raises:
        ValueError: `pixels` is not an integer >= 0.
    """

    pixels: int

    def __post_init__(self) -> None:
        if isinstance(self.pixels, bool) or not isinstance(self.pixels, int) or self.pixels < 0:
            raise ValueError(f"a shift needs a whole number of pixels >= 0, got {self.pixels!r}")

    def __call__(self, spikes: Tensor, stream: Stream) -> Tensor:
        """Return the shifted spikes.

        Args:
            spikes: `[T, B, P, H, W]`, or `[T, B, H, W]`; any dtype.
            stream: source of the shifts; give each batch a child of its own.

        Returns:
            A new tensor of the same shape and dtype.

        Raises:
            ValueError: there are fewer than four axes.
        """
        if spikes.ndim < 4:
            raise ValueError(f"a shift needs spikes [T, B, (P,) H, W], got {list(spikes.shape)}")
        m = self.pixels
        if m == 0:
            return spikes.clone()
        batch, height, width = spikes.shape[1], *spikes.shape[-2:]
        sizes = (batch, 2)
        offsets = torch.randint(0, 2 * m + 1, sizes, generator=stream.generator()).tolist()
        # A slice per example out of a padded copy: fewer and larger copies than a gather.
        padded = pad(spikes, (m, m, m, m))
        out = torch.empty_like(spikes, memory_format=torch.contiguous_format)
        for example, (down, right) in enumerate(offsets):
            rows, columns = slice(down, down + height), slice(right, right + width)
            out[:, example] = padded[:, example, ..., rows, columns]
        return out
