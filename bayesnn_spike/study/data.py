"""The data of a cell: which examples train, which fit a temperature, which are scored.

Oracle: tests/study/test_data.py.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, final

import numpy as np

from bayesnn_spike.events.datasets import SpikeDataset, cache_folder, load, options
from bayesnn_spike.events.ledger import Ledger, Split
from bayesnn_spike.events.splits import fold_splits
from bayesnn_spike.study.errors import ConfigError


@final
@dataclass(frozen=True, eq=False)
class Parts:
    """The splits of one cell, with a ledger that already holds the training.

    Attributes:
        train: examples that the weights are fitted on.
        calib: examples for the temperature, or None.
        test: examples that are scored.
        ledger: knows that the weights were fitted on `train`.
    """

    train: Split
    calib: Split | None
    test: Split
    ledger: Ledger


def load_data(settings: dict[str, Any], root: Path | None) -> SpikeDataset:
    """Load a data set as a cell's settings describe it; the last two are kept in memory.

    Args:
        settings: the cell's `data` block.
        root: the folder that holds a folder per data set, or None for the user's cache, where a
            data set that is not in the folder is looked for as well.

    Raises:
        DataSetError: unknown, missing or unsound data; a missing folder is named.
        ConfigError: an option that this data set's loader does not have.
    """
    return _load(
        settings["name"],
        settings["bins"],
        settings["seed"],
        json.dumps(settings["options"], sort_keys=True),
        root,
    )


@lru_cache(maxsize=2)
def _load(name: str, bins: int, seed: int, extra: str, root: Path | None) -> SpikeDataset:
    known = options(name)
    given = {"bins": bins, "seed": seed, **json.loads(extra)}
    if "root" in known and root is not None:
        # The last is not there either, but the loader's error then says where it was to be.
        folder = find_root(name, root) or find_root(name, cache_folder()) or root / name
        given.setdefault("root", folder)
    return load(name, **given)


def find_root(name: str, root: Path | None) -> Path | None:
    """Return the folder of one data set below `root`, with dashes or underscores, if it exists."""
    if root is None:
        return None
    for folder in (root / name, root / name.replace("-", "_")):
        if folder.exists():
            return folder
    return None


def divide(data: SpikeDataset, settings: dict[str, Any]) -> Parts:
    """Return the splits of one cell.

    Raises:
        ConfigError: the data set has no split of a name that the protocol asks for.
        SplitReuseError: the protocol would score examples that were trained on.
    """
    protocol = settings["data"]["protocol"]
    if protocol["kind"] == "search":
        return _divide_for_search(data, settings, protocol)
    if protocol["kind"] == "folds":
        folded = data.fold(
            protocol["n"],
            settings["fold"],
            seed=protocol["seed"],
            val=0.0,
            calib=protocol["calib"],
        )
        splits = folded.splits
        return checked_parts(splits["train"], splits.get("calib"), splits["test"])
    train = join(*(named(data, name) for name in protocol["train"]), name="train")
    calib = named(data, protocol["calib"]) if protocol["calib"] else None
    return checked_parts(train, calib, named(data, protocol["test"]))


def _divide_for_search(
    data: SpikeDataset, settings: dict[str, Any], protocol: dict[str, Any]
) -> Parts:
    """Return train and val, or one fold of both together, never an example of the test split."""
    train = join(*(named(data, name) for name in protocol["train"]), name="train")
    val = named(data, protocol["val"])
    if protocol["folds"]:
        dev = data.part(join(train, val, name="dev"))
        (whole,) = dev.splits.values()
        rows = np.sort(np.concatenate([train.indices, val.indices]))
        inner = fold_splits(
            dev.labels,
            protocol["folds"],
            settings["fold"],
            dataset=data.fingerprint,
            seed=protocol["seed"],
            val=0.0,
            calib=0.0,
            examples=whole.examples,
        )
        train, val = (
            Split(data.fingerprint, name, rows[inner[part].indices], inner[part].examples)
            for name, part in (("train", "train"), ("val", "test"))
        )
    reserved = Ledger().fitted("nothing but the final score", named(data, protocol["test"]))
    for split in (train, val):
        reserved.require_unused(split, "search")
    return checked_parts(train, None, val)


def checked_parts(train: Split, calib: Split | None, test: Split) -> Parts:
    """Return the parts, after checking that nothing that is fitted is scored.

    Raises:
        SplitReuseError: train, calib and test share examples.
    """
    ledger = Ledger().fitted("the network", train)
    if calib is not None:
        ledger.require_unused(calib, "temperature")
        ledger.fitted("the temperature", calib).require_unused(test)
    ledger.require_unused(test)
    return Parts(train, calib, test, ledger)


def named(data: SpikeDataset, name: str) -> Split:
    """Return a split of the data set by name.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in data.splits:
        known = ", ".join(data.splits) or "none"
        raise ConfigError(f"data {data.name}: there is no split {name!r}; there are: {known}")
    return data.splits[name]


def join(*splits: Split, name: str) -> Split:
    """Return one split of the examples of several."""
    if len(splits) == 1:
        return splits[0]
    indices = np.concatenate([split.indices for split in splits])
    examples = np.concatenate([split.examples for split in splits])
    return Split(splits[0].dataset, name, indices, examples)
