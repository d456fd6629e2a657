"""What the loaders of recordings share: choose examples, bin them, cut the splits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import file_digest as hash_file
from hashlib import sha256
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from bayesnn_spike.events.binning import BinReport, bin_events
from bayesnn_spike.events.datasets.dataset import DataSetError, SpikeDataset, content_digest
from bayesnn_spike.events.splits import Split, stratified
from bayesnn_spike.events.stream import EventStream

WHOLE = {"train": 0.6, "val": 0.1, "calib": 0.1, "test": 0.2}
"""Default shares where there is no official test set."""

BESIDE_TEST = {"train": 0.8, "val": 0.1, "calib": 0.1}
"""Default shares of what is left beside an official test set."""


@final
@dataclass(frozen=True, eq=False)
class Source:
    """All recordings of a data set, before any is read.

    Args:
        name: name of the data set.
        source: where they come from, for people.
        digest: sha256 of the source; with the name it makes the fingerprint.
        classes: names of the classes.
        labels: `[n]` class indices.
        stream: number of a recording -> its events; called in ascending order.
        official_test: `[n]` bool, or None where there is no official test set.
        groups: `[n]` ids that splits must not tear apart, or None.
    """

    name: str
    source: str
    digest: str
    classes: tuple[str, ...]
    labels: np.ndarray
    stream: Callable[[int], EventStream]
    official_test: np.ndarray | None = None
    groups: np.ndarray | None = None


@final
@dataclass(frozen=True)
class Window:
    """How a recording becomes a tensor.

    Args:
        bins: time steps T.
        duration_ms: length that is binned, from the start; later events are dropped and counted.
        grid: (height, width) that the sensor is pooled to; default: all pixels.
        crop: (top, left, height, width) kept of the sensor or grid; default: all of it.
    """

    bins: int
    duration_ms: float
    grid: tuple[int, int] | None = None
    crop: tuple[int, int, int, int] | None = None
    facts: dict[str, Any] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if self.bins < 1 or not self.duration_ms > 0:
            raise DataSetError(
                f"binning needs bins >= 1 and duration_ms > 0, got {self.bins}, {self.duration_ms}"
            )
        known = {"bins": self.bins, "duration_ms": self.duration_ms}
        object.__setattr__(self, "facts", {**known, "grid": self.grid, "crop": self.crop})


def build(
    source: Source,
    window: Window,
    *,
    seed: int,
    limit: int | None = None,
    fractions: Mapping[str, float] | None = None,
) -> SpikeDataset:
    """Read, bin and split.

    Args:
        source: the recordings.
        window: how they are binned (one bit per cell).
        seed: decides the splits, and which recordings are taken under a limit.
        limit: at most so many recordings, a stratified choice; default all.
        fractions: shares of the splits; of all examples, or of those beside the official test set.

    Raises:
        DataSetError: no recordings, or a limit below 1.
        SplitError: too few recordings for the splits.
        EventFileError: a recording is damaged.
    """
    fingerprint = f"{source.name}:{source.digest}"
    chosen = _limited(source, fingerprint, seed, limit)
    labels = torch.from_numpy(source.labels[chosen].astype(np.int64))
    spikes, report = _bin(source, window, chosen)
    official = None if source.official_test is None else source.official_test[chosen]
    groups = None if source.groups is None else source.groups[chosen]
    info = {
        "source": source.source,
        "fingerprint": fingerprint,
        **window.facts,
        "encoding": "one bit per pixel, polarity and time bin",
        "seed": seed,
        "events": {key: getattr(report, key) for key in ("events", "kept", "merged", "clipped")},
        "digest": content_digest(spikes, labels),
    }
    splits = _splits(labels.numpy(), fingerprint, seed, chosen, official, groups, fractions)
    return SpikeDataset(source.name, spikes, labels, source.classes, splits, info)


def listing_digest(root: Path, paths: list[Path]) -> str:
    """Return the sha256 of the names and sizes of files, which names a folder's content."""
    digest = sha256()
    for path in paths:
        digest.update(f"{path.relative_to(root).as_posix()} {path.stat().st_size}\n".encode())
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hash_file(file, "sha256").hexdigest()


def _limited(source: Source, fingerprint: str, seed: int, limit: int | None) -> np.ndarray:
    total = len(source.labels)
    if total == 0:
        raise DataSetError(f"{source.name}: {source.source} holds no recordings")
    if limit is None or limit >= total:
        return np.arange(total)
    if limit < 1:
        raise DataSetError(f"{source.name}: limit must be at least 1, got {limit}")
    strata = source.labels.astype(np.int64) * 2
    if source.official_test is not None:
        strata = strata + source.official_test
    kept = stratified(strata, {"kept": limit / total}, dataset=fingerprint, seed=seed)
    return kept["kept"].indices


def _bin(source: Source, window: Window, chosen: np.ndarray) -> tuple[torch.Tensor, BinReport]:
    duration_us = round(window.duration_ms * 1000)
    spikes, total = None, BinReport(0, 0, 0, 0)
    for row, number in enumerate(chosen.tolist()):
        frames, report = bin_events(
            source.stream(number), bins=window.bins, duration_us=duration_us, grid=window.grid
        )
        if window.crop is not None:
            top, left, height, width = window.crop
            frames = frames[..., top : top + height, left : left + width]
            if frames.shape[-2:] != (height, width):
                raise DataSetError(f"{source.name}: the crop {window.crop} leaves the sensor")
        if spikes is None:
            spikes = torch.empty((len(chosen), *frames.shape), dtype=torch.uint8)
        spikes[row] = frames
        total = total + report
    return spikes, total


def _splits(
    labels: np.ndarray,
    fingerprint: str,
    seed: int,
    examples: np.ndarray,
    official: np.ndarray | None,
    groups: np.ndarray | None,
    fractions: Mapping[str, float] | None,
) -> dict[str, Split]:
    if official is None:
        shares = WHOLE if fractions is None else fractions
        extra = {"groups": groups, "examples": examples}
        return stratified(labels, shares, dataset=fingerprint, seed=seed, **extra)
    rest, test = np.flatnonzero(~official), np.flatnonzero(official)
    inner = stratified(
        labels[rest],
        BESIDE_TEST if fractions is None else fractions,
        dataset=fingerprint,
        seed=seed,
        groups=None if groups is None else groups[rest],
        examples=examples[rest],
    )
    splits = {
        name: Split(fingerprint, name, rest[split.indices], split.examples)
        for name, split in inner.items()
    }
    if test.size:
        splits["test"] = Split(fingerprint, "test", test, examples[test])
    return splits
