"""Mini-batches of still images: from bytes to numbers, in a random order, augmented.

Oracle: tests/events/datasets/test_image_batch.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, final

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.checks import require_positive
from bayesnn_spike.events.datasets.dataset import DataSetError
from bayesnn_spike.events.splits import Split
from bayesnn_spike.rng import Stream


@final
@dataclass(frozen=True)
class Scale:
    """From bytes to numbers: (byte / 255 - mean) / deviation, the same for all channels.

    `Scale()` gives [0, 1], with black at 0; `Scale(0.5, 0.5)` gives [-1, 1].

    Raises:
        ValueError: a deviation that is not positive.
    """

    mean: float = 0.0
    deviation: float = 1.0

    def __post_init__(self) -> None:
        require_positive(self.deviation, "Scale.deviation")

    def __call__(self, images: Tensor) -> Tensor:
        """Map bytes to float32 of the same shape."""
        return images.to(torch.float32).sub(255 * self.mean).div_(255 * self.deviation)


class ImageBatch(NamedTuple):
    """One mini-batch of still images.

    Attributes:
        images: `[B, C, H, W]` float32.
        labels: `[B]` int64 class indices.
    """

    images: Tensor
    labels: Tensor


class Images(Protocol):
    """What `batches` reads: images in memory (`ImageSet`) or in a folder (`ImageFolder`)."""

    labels: Tensor
    classes: tuple[str, ...]
    splits: dict[str, Split]

    def batch(
        self,
        indices: np.ndarray | Tensor,
        *,
        scale: Scale = Scale(),
        augment: Any = None,
        stream: Stream | None = None,
    ) -> ImageBatch:
        """Return some examples, in the order of `indices`."""


def batches(
    data: Images,
    split: str,
    size: int,
    *,
    stream: Stream | None = None,
    augment: Any = None,
    scale: Scale = Scale(),
) -> Iterator[ImageBatch]:
    """Yield one epoch over a split in mini-batches; the last one may be smaller.

    Args:
        data: an `ImageSet` or `ImageFolder`.
        split: its name.
        size: examples in a mini-batch.
        stream: decides the order and the augmentation; a child of its own for every epoch. None
            keeps the order of the split.
        augment: random changes, which need a stream: `Augment` in memory, `RandomCrop` in a folder.
        scale: from bytes to numbers.

    Raises:
        DataSetError: there is no such split.
        ValueError: a size below 1, or an augmentation without a stream.
    """
    require_positive(size, "the size of a mini-batch")
    require_stream(augment, stream)
    if split not in data.splits:
        raise DataSetError(f"there is no split {split!r}; there are {', '.join(data.splits)}")
    return _batches(data, data.splits[split].indices, size, stream, augment, scale)


def _batches(
    data: Images,
    rows: np.ndarray,
    size: int,
    stream: Stream | None,
    augment: Any,
    scale: Scale,
) -> Iterator[ImageBatch]:
    if stream is not None:
        # From raw words, as splits are: the same order with every version of numpy.
        words = stream.child("order").numpy().bit_generator.random_raw(rows.size)
        rows = rows[np.argsort(words, kind="stable")]
    for first in range(0, rows.size, size):
        own = None if stream is None else stream.child("augment", first)
        yield data.batch(rows[first : first + size], scale=scale, augment=augment, stream=own)


def require_stream(augment: object, stream: Stream | None) -> None:
    """Raise ValueError for an augmentation without a source of randomness."""
    if augment is not None and stream is None:
        raise ValueError("an augmentation draws: give the stream it draws from")
