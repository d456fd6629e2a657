"""A data set in memory: spikes, labels, named splits, and where they come from.

Oracle: tests/events/datasets/test_dataset.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.events.ledger import Split
from bayesnn_spike.events.splits import fold_splits
from bayesnn_spike.types import Batch


class DataSetError(ValueError):
    """A data set that cannot be loaded or does not make sense; says what to do."""


@final
@dataclass(frozen=True, eq=False)
class SpikeDataset:
    """Labelled spike trains of one shape. Example-first in memory; `batch` turns time first.

    Args:
        name: `nmnist`, `mnist`, ...
        spikes: `[N, T, *in]` uint8.
        labels: `[N]` int64 class indices.
        classes: names of the classes.
        splits: splits by name; indices are rows of `spikes`.
        info: JSON-able facts: at least `source`, `fingerprint`, `bins`, `encoding`, `digest`.
            `fingerprint` names the source data whatever the encoding, as `Split.dataset` does;
            `digest` is the sha256 of the spikes and labels in memory.

    Raises:
        DataSetError: sizes, dtypes, labels or splits do not fit together.
    """

    name: str
    spikes: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    splits: dict[str, Split]
    info: dict[str, Any]

    def __post_init__(self) -> None:
        spikes, labels = self.spikes, self.labels
        if spikes.dtype != torch.uint8 or spikes.ndim < 3:
            raise DataSetError(
                f"{self.name}: spikes must be uint8 [N, T, *in], got {spikes.dtype} "
                f"{list(spikes.shape)}"
            )
        require_labels(self.name, labels, len(spikes), len(self.classes))
        for name, split in self.splits.items():
            if split.dataset != self.fingerprint:
                raise DataSetError(
                    f"split {name!r} is of {split.dataset}, not of {self.fingerprint}"
                )
            if split.indices[-1] >= len(labels):
                raise DataSetError(
                    f"split {name!r} has index {split.indices[-1]}, but {self.name} has only "
                    f"{len(labels)} examples"
                )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def fingerprint(self) -> str:
        """Name and hash of the source data; equal for every encoding of the same examples."""
        return self.info["fingerprint"]

    def batch(self, indices: np.ndarray | Tensor) -> Batch:
        """Return examples as a batch, time first.

        Args:
            indices: `[B]` rows, in any order.

        Returns:
            spikes `[T, B, *in]` float32, contiguous, and labels `[B]` int64.

        Raises:
            IndexError: a row is negative or not in the data set.
        """
        rows = as_rows(indices)
        # `index_select` is ten times faster than indexing; and transposed as bytes, then widened,
        # is a quarter of the memory traffic.
        chosen = self.spikes.index_select(0, rows)
        spikes = chosen.transpose(0, 1).contiguous().to(torch.float32)
        return Batch(spikes, self.labels.index_select(0, rows))

    def part(self, split: Split) -> "SpikeDataset":
        """Return the examples of one split as a data set, in the order of `split.indices`.

        Its only split is `split` itself, with rows of the part and the same `examples` and digest,
        so that a ledger still knows them. A contiguous split shares memory with the whole.

        Raises:
            DataSetError: the split is of other data.
        """
        if split.dataset != self.fingerprint:
            raise DataSetError(f"split {split.name!r} is of {split.dataset}, not {self.name}")
        rows = split.indices
        first, last = int(rows[0]), int(rows[-1])
        where = slice(first, last + 1) if last - first + 1 == rows.size else torch.tensor(rows)
        spikes, labels = self.spikes[where], self.labels[where]
        own = Split(split.dataset, split.name, np.arange(rows.size), split.examples)
        info = {**self.info, "part": {"name": split.name, "digest": split.digest}}
        return SpikeDataset(self.name, spikes, labels, self.classes, {split.name: own}, info)

    def with_splits(self, splits: Mapping[str, Split]) -> "SpikeDataset":
        """Return the same examples under other splits."""
        return replace(self, splits=dict(splits))

    def fold(
        self, n: int, fold: int, *, seed: int, val: float = 0.1, calib: float = 0.1
    ) -> "SpikeDataset":
        """Return the data set with the splits of one fold, all examples pooled (`fold_splits`)."""
        splits = fold_splits(
            self.labels,
            n,
            fold,
            dataset=self.fingerprint,
            seed=seed,
            val=val,
            calib=calib,
            examples=self.examples(),
        )
        return self.with_splits(splits)

    def examples(self) -> np.ndarray:
        """Return `[N]` numbers of the rows in the source, as the splits have them.

        Raises:
            DataSetError: only some of the source is in memory, and some rows are in no split, so
                that nothing tells their number.
        """
        numbers = np.full(len(self), -1)
        for split in self.splits.values():
            numbers[split.indices] = split.examples
        known = numbers >= 0
        if known.all():
            return numbers
        if (numbers[known] == np.flatnonzero(known)).all():
            return np.arange(len(self))
        raise DataSetError(
            f"{self.name}: {int((~known).sum())} of {len(self)} rows are in no split, so their "
            "numbers in the source are unknown; keep the splits that were loaded"
        )


def content_digest(spikes: Tensor, labels: Tensor) -> str:
    """Return the sha256 of shape, spikes and labels."""
    text = f"{list(spikes.shape)}".encode()
    digest = sha256(text + labels.numpy().astype("<i8").tobytes())
    digest.update(spikes.contiguous().numpy())
    return digest.hexdigest()


def require_labels(name: str, labels: Tensor, examples: int, classes: int) -> None:
    """Raise DataSetError unless the labels are int64 `[examples]` class indices."""
    if labels.dtype != torch.int64 or labels.shape != (examples,):
        raise DataSetError(
            f"{name}: labels must be int64 [{examples}], got {labels.dtype} {list(labels.shape)}"
        )
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise DataSetError(
            f"{name}: labels run from {int(labels.min())} to {int(labels.max())}, but "
            f"there are {classes} classes"
        )


def as_rows(indices: np.ndarray | Tensor) -> Tensor:
    """Return indices as an int64 tensor; those of a split are read-only and are copied."""
    if isinstance(indices, Tensor):
        return indices
    return torch.from_numpy(np.array(indices, dtype=np.int64))
