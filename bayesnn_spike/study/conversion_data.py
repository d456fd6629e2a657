"""The images of a recipe as `fit` takes them, and where they lie.

Oracle: tests/study/test_conversion_data.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from bayesnn_spike.events.datasets import ImageFolder, ImageSet, cache_folder
from bayesnn_spike.rng import Stream
from bayesnn_spike.study.conversion_build import (
    make_augment,
    make_encoder,
    make_images,
    make_scale,
)
from bayesnn_spike.study.conversion_config import RecipeConfig
from bayesnn_spike.study.data import find_root
from bayesnn_spike.study.errors import ConfigError
from bayesnn_spike.types import Batch


def load_images(recipe: RecipeConfig, root: Path | None) -> ImageSet | ImageFolder:
    """Load the images of a recipe.

    Args:
        recipe: its `data`.
        root: a folder with a folder named after the data set, or the folder that the reader itself
            takes; None looks in the user's cache.

    Raises:
        DataSetError, EventFileError: files are missing or damaged, or fewer than the recipe takes.
        ConfigError: nothing is left to train on, or there is nothing to score.
    """
    name = recipe.data.name
    inside = find_root(name, root) or find_root(name, cache_folder() if root is None else None)
    data = make_images(recipe.data, root=inside or root)
    for split in ("train", "test"):
        if split not in data.splits or not len(data.splits[split]):
            raise ConfigError(
                f"data: no images are left in the split {split!r} of {name}; lower data.val_size "
                "or data.calib_size, or look whether all files are there"
            )
    return data


@final
@dataclass(frozen=True, eq=False)
class Rows:
    """Numbers of images in the place of images, for `fit`.

    The images are read behind them by `reading`, since a crop is drawn where a file is decoded.

    Attributes:
        labels: `[N]`.
    """

    labels: torch.Tensor

    def batch(self, indices: np.ndarray) -> Batch:
        """Return the numbers themselves, and their labels."""
        rows = torch.tensor(indices, dtype=torch.int64)
        return Batch(rows, self.labels[rows])


def reading(
    recipe: RecipeConfig, data: Any, *, device: str, steps: int | None = None
) -> Callable[[Batch, Stream], Batch]:
    """Return the `augment` of `fit` that puts augmented images in the place of their numbers.

    Args:
        recipe: scale, augmentation and encoder.
        data: an `ImageSet` or `ImageFolder`.
        device: of the result.
        steps: encode them over so many time steps, `[T, B, *in]`; None leaves `[B, *in]`.
    """
    scale, augment = make_scale(recipe.data), make_augment(recipe.data)

    def read(batch: Batch, stream: Stream) -> Batch:
        own = stream.child("images")
        found = data.batch(batch.spikes, scale=scale, augment=augment, stream=own)
        images, labels = found.images.to(device), found.labels.to(device)
        if steps is not None:
            encoder = make_encoder(recipe, steps, stream=stream.child("spikes"))
            images = encoder.encode(images)
        return Batch(images, labels)

    return read
