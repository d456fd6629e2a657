"""A split is a named, hashed set of examples; a ledger remembers which examples fitted what.

The ledger refuses a score on any example that fitted something, whatever the split was called.

Oracle: tests/events/test_splits.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, final

import numpy as np
import torch

Labels = torch.Tensor | np.ndarray | Sequence[int]


class SplitError(ValueError):
    """A split that cannot be made: bad labels, bad fractions, too few examples."""


class SplitReuseError(SplitError):
    """A split that was used to fit is about to be scored."""


@final
@dataclass(frozen=True, eq=False)
class Split:
    """Some examples of one data set. Equal when data set, name and examples are equal.

    Args:
        dataset: fingerprint of the data set, such as `nmnist:3f9c...`. Only splits with the same
            fingerprint can share examples.
        name: what the split is for: `train`, `val`, `calib`, `test`, `fold0`, ...
        indices: `[n]` rows of the data set in memory; stored sorted, int64, read-only.
        examples: `[n]` numbers of the same examples in the source, where a data set in memory holds
            only some of it (2,000 of the 60,000 images of MNIST). Default: `indices`.

    Attributes:
        digest: sha256 over the fingerprint and `examples`; the name does not enter.

    Raises:
        SplitError: indices are not distinct non-negative integers, or there are none.
    """

    dataset: str
    name: str
    indices: np.ndarray
    examples: np.ndarray = None  # type: ignore[assignment]  # filled in by __post_init__
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        rows = as_integers(self.indices, f"the indices of split {self.name!r}")
        source = rows
        if self.examples is not None:
            source = as_integers(self.examples, f"the examples of split {self.name!r}")
        if rows.size == 0:
            raise SplitError(f"split {self.name!r} of {self.dataset} has no examples")
        if rows.shape != source.shape:
            raise SplitError(
                f"split {self.name!r} has {rows.size} indices but {source.size} examples"
            )
        order = np.argsort(rows, kind="stable")
        rows, source = rows[order], source[order]
        for array in (rows, np.sort(source)):
            if array[0] < 0 or (np.diff(array) == 0).any():
                raise SplitError(
                    f"split {self.name!r} of {self.dataset} must hold distinct indices >= 0"
                )
        for array in (rows, source):
            array.setflags(write=False)
        text = self.dataset.encode() + b"\0" + np.sort(source).astype("<i8").tobytes()
        object.__setattr__(self, "indices", rows)
        object.__setattr__(self, "examples", source)
        object.__setattr__(self, "digest", sha256(text).hexdigest())

    def __len__(self) -> int:
        return self.indices.size

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Split):
            return NotImplemented
        return self._key() == other._key() and np.array_equal(self.indices, other.indices)

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, str, str]:
        return self.dataset, self.name, self.digest

    def shared(self, other: "Split") -> int:
        """Return how many examples both splits hold; 0 for different data sets."""
        if self.dataset != other.dataset:
            return 0
        return int(np.intersect1d(self.examples, other.examples).size)


@final
@dataclass(frozen=True)
class Ledger:
    """What was fitted on which split. A value: `fitted` returns a new ledger.

    Attributes:
        entries: pairs of what was fitted and the split that fitted it, in order.
    """

    entries: tuple[tuple[str, Split], ...] = ()

    def fitted(self, what: str, split: Split) -> "Ledger":
        """Return the ledger with the note that `what` was fitted on `split`."""
        return Ledger((*self.entries, (what, split)))

    def require_unused(self, split: Split, purpose: str = "score") -> None:
        """Refuse `split` when any of its examples fitted anything.

        The check is on examples of the same data set, not on names: a renamed or overlapping
        split is refused too.

        Raises:
            SplitReuseError: names what was fitted, on which split, and how many examples overlap.
        """
        reasons = []
        for what, used in self.entries:
            shared = split.shared(used)
            if shared:
                reasons.append(
                    f"{what} was fitted on split {used.name!r} ({used.digest[:12]}), which "
                    f"shares {shared} of the {len(split)} examples"
                )
        if reasons:
            raise SplitReuseError(
                f"cannot {purpose} on split {split.name!r} ({split.digest[:12]}) of "
                f"{split.dataset}: {'; '.join(reasons)}. A {purpose} needs examples that fitted "
                "nothing: take another split, usually 'test', or fit again without these examples."
            )

    def as_dict(self) -> dict[str, Any]:
        """Return the ledger as JSON-able data, for the header of an artifact."""
        return {
            "fitted": [
                {
                    "what": what,
                    "dataset": split.dataset,
                    "name": split.name,
                    "indices": split.indices.tolist(),
                    "examples": split.examples.tolist(),
                    "digest": split.digest,
                }
                for what, split in self.entries
            ]
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Ledger":
        """Rebuild a ledger from `as_dict`.

        Raises:
            SplitError: a digest does not match its examples.
        """
        ledger = Ledger()
        for row in data["fitted"]:
            examples = np.asarray(row["examples"], dtype=np.int64)
            indices = np.asarray(row["indices"], dtype=np.int64)
            split = Split(row["dataset"], row["name"], indices, examples)
            if split.digest != row["digest"]:
                raise SplitError(
                    f"split {split.name!r} of {split.dataset} has digest {split.digest[:12]}, but "
                    f"the ledger says {row['digest'][:12]}: the ledger was changed by hand"
                )
            ledger = ledger.fitted(row["what"], split)
        return ledger


def as_integers(values: Labels, what: str) -> np.ndarray:
    """Return `values` as int64 [n]; SplitError names `what` where they are no integers."""
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise SplitError(f"{what} must be integers [n], got {array.dtype} {list(array.shape)}")
    return array.astype(np.int64)
