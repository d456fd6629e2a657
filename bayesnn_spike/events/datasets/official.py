"""What the readers of published still images return, and the choice of examples among them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from bayesnn_spike.events.datasets.dataset import DataSetError
from bayesnn_spike.events.splits import stratified


class Official(NamedTuple):
    """A published data set of still images, the official training examples first.

    Attributes:
        images: `[N, *shape]` uint8.
        labels: `[N]` uint8.
        n_train: how many of them are official training examples; the others are the test set.
        classes: their names.
        fingerprint: name and hash of all images and labels.
        folder: the folder or file they were read from.
    """

    images: np.ndarray
    labels: np.ndarray
    n_train: int
    classes: tuple[str, ...]
    fingerprint: str
    folder: Path


def choose(
    name: str, labels: np.ndarray, sizes: dict[str, int], source: str, seed: int
) -> dict[str, np.ndarray]:
    """Return stratified, disjoint rows of the given sizes; a size of 0 is left out.

    Raises:
        DataSetError: a negative size, or more in all than there are.
    """
    if min(sizes.values()) < 0 or sum(sizes.values()) > len(labels):
        raise DataSetError(
            f"{name}: asked for {sizes}, but there are {len(labels)} official images to take "
            "them from; ask for fewer"
        )
    shares = {key: size / len(labels) for key, size in sizes.items() if size}
    if not shares:
        return {}
    splits = stratified(labels, shares, dataset=source, seed=seed)
    return {key: split.indices for key, split in splits.items()}
