"""Named data sets with named, hashed, stratified splits.

    data = load("nmnist", root="data/nmnist_small.npz", bins=10, seed=0)
    batch = data.batch(data.splits["train"].indices[:64])     # spikes [10, 64, 2, 34, 34]

Splits are `train`, `val`, `calib` and `test`. Where a data set has an official test set, `test` is
that set, and the rest is cut 0.8 / 0.1 / 0.1; else the whole is cut 0.6 / 0.1 / 0.1 / 0.2. The
two-moons and image data sets have sizes instead of shares. `load_still` has the same images without
spikes, and CIFAR; `image_folder` reads ImageNet.
"""

import difflib
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from bayesnn_spike.events.datasets._folder import cache_folder as cache_folder
from bayesnn_spike.events.datasets.dataset import DataSetError as DataSetError
from bayesnn_spike.events.datasets.dataset import SpikeDataset as SpikeDataset
from bayesnn_spike.events.datasets.digits import load_digits_saccade
from bayesnn_spike.events.datasets.dvs128 import load_cifar10_dvs, load_mnist_dvs
from bayesnn_spike.events.datasets.dvs_gesture import load_dvs_gesture
from bayesnn_spike.events.datasets.image_augment import Augment as Augment
from bayesnn_spike.events.datasets.image_batch import Scale as Scale
from bayesnn_spike.events.datasets.image_batch import batches as batches
from bayesnn_spike.events.datasets.image_download import download_still as download_still
from bayesnn_spike.events.datasets.image_folder import ImageFolder as ImageFolder
from bayesnn_spike.events.datasets.image_folder import RandomCrop as RandomCrop
from bayesnn_spike.events.datasets.image_folder import image_folder as image_folder
from bayesnn_spike.events.datasets.images import load_images
from bayesnn_spike.events.datasets.nmnist import load_nmnist
from bayesnn_spike.events.datasets.shd import load_shd
from bayesnn_spike.events.datasets.still import ImageSet as ImageSet
from bayesnn_spike.events.datasets.still import load_still as load_still
from bayesnn_spike.events.datasets.still import still_names as still_names
from bayesnn_spike.events.datasets.two_moons import load_two_moons
from bayesnn_spike.events.errors import EventError, EventFileError
from bayesnn_spike.events.ledger import SplitError

_LOADERS: dict[str, Callable[..., SpikeDataset]] = {
    "two-moons": load_two_moons,
    "digits-saccade": load_digits_saccade,
    "nmnist": load_nmnist,
    "mnist": partial(load_images, "mnist"),
    "fashion-mnist": partial(load_images, "fashion-mnist"),
    "dvs-gesture": load_dvs_gesture,
    "mnist-dvs": load_mnist_dvs,
    "cifar10-dvs": load_cifar10_dvs,
    "shd": load_shd,
}


def names() -> tuple[str, ...]:
    """Return the names that `load` knows."""
    return tuple(_LOADERS)


def options(name: str) -> dict[str, Any]:
    """Return the options of a data set with their defaults, for `load` and for help texts.

    Raises:
        DataSetError: unknown name.
    """
    parameters = inspect.signature(_loader(name)).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def load(name: str, **given: Any) -> SpikeDataset:
    """Load a named data set.

    Args:
        name: one of `names()`.
        **given: options of that data set (`options(name)`, documented at its loader). All know
            `bins` (time steps T) and `seed` (splits and draws); those read from files know `root`,
            a folder or file, by default `name` inside the cache.

    Raises:
        DataSetError: unknown name or option (the message has the nearest right one), missing
            files, or data that do not fit together.
        EventFileError: a damaged file.
    """
    loader, known = _loader(name), options(name)
    for option in given:
        if option not in known:
            raise DataSetError(
                f"{name} has no option {option!r}{_nearest(option, known)}; "
                f"it has {', '.join(known)}"
            )
    try:
        return loader(**given)
    except (DataSetError, EventError, EventFileError, SplitError):
        raise
    except (TypeError, ValueError, MemoryError) as error:
        values = ", ".join(f"{option}={value!r}" for option, value in given.items())
        raise DataSetError(
            f"{name} cannot be made with {values}: {error or 'out of memory'}. See "
            f"`bayesnn-spike data info {name}` for its options"
        ) from error


def _loader(name: str) -> Callable[..., SpikeDataset]:
    if name not in _LOADERS:
        raise DataSetError(
            f"there is no data set {name!r}{_nearest(name, _LOADERS)}; "
            f"there are {', '.join(_LOADERS)}"
        )
    return _LOADERS[name]


def _nearest(word: str, known: dict[str, Any]) -> str:
    close = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    return f", did you mean {close[0]!r}?" if close else ""
