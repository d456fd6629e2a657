"""Stratified splits and cross-validation folds, reproducible on every machine.

Shuffles come from raw Philox words and shares are exact fractions, so the same labels and seed give
the same splits, with the same digests, wherever they are made.

Oracle: tests/events/test_splits.py.
"""

from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from bayesnn_spike.events.apportion import allot, allot_groups
from bayesnn_spike.events.ledger import Labels, as_integers
from bayesnn_spike.events.ledger import Ledger as Ledger
from bayesnn_spike.events.ledger import Split as Split
from bayesnn_spike.events.ledger import SplitError as SplitError
from bayesnn_spike.events.ledger import SplitReuseError as SplitReuseError
from bayesnn_spike.rng import Stream


def stratified(
    labels: Labels,
    fractions: Mapping[str, float],
    *,
    dataset: str,
    seed: int,
    groups: Labels | None = None,
    examples: np.ndarray | None = None,
) -> dict[str, Split]:
    """Cut a data set into disjoint splits with the same mix of labels in each.

    Every label gives each split its exact share, rounded down or up by largest remainder; the
    remainders are carried from label to label, so that the sizes of the splits are the largest
    remainder rounding of the whole, too (exactly, whenever the sizes come out whole).

    Args:
        labels: `[n]` class indices.
        fractions: name -> share in (0, 1]. Shares are read as fractions with denominators up to
            10^6. Where they sum to less than 1, the rest is in no split.
        dataset: fingerprint of the data set.
        seed: seed of the shuffle.
        groups: `[n]` ids, such as the person recorded. A group is never torn apart; shares are
            then as close as a greedy assignment of whole groups, largest first, comes.
        examples: `[n]` numbers of the rows in the source, see `Split`.

    Returns:
        The splits by name, in the order of `fractions`.

    Raises:
        SplitError: shares outside (0, 1] or summing to more than 1, labels that are not integers,
            a split that would be empty, fewer groups than splits.

    Oracle: tests/events/test_splits.py::test_every_label_gets_its_share.
    """
    classes, label_of = np.unique(as_integers(labels, "labels"), return_inverse=True)
    shares = _shares(fractions)
    group_of = None if groups is None else _group_numbers(groups, label_of.size)
    words = Stream(seed).child("split").numpy().bit_generator.random_raw(label_of.size)
    if group_of is None:
        owner = _assign(label_of, allot(np.bincount(label_of).tolist(), shares), words)
    else:
        if group_of.max() + 1 < len(fractions):
            raise SplitError(
                f"{group_of.max() + 1} groups cannot fill {len(fractions)} splits without "
                "tearing one apart"
            )
        table = np.zeros((group_of.max() + 1, classes.size), dtype=np.int64)
        np.add.at(table, (group_of, label_of), 1)
        owner = allot_groups(table, shares, words[: len(table)])[group_of]
    splits = {}
    for number, name in enumerate(fractions):
        rows = np.flatnonzero(owner == number)
        if rows.size == 0:
            raise SplitError(
                f"split {name!r} of {dataset} would be empty: a share of {fractions[name]} of "
                f"{label_of.size} examples; take a larger share or more examples"
            )
        splits[name] = Split(dataset, name, rows, None if examples is None else examples[rows])
    return splits


def folds(
    labels: Labels,
    n: int,
    *,
    dataset: str,
    seed: int,
    groups: Labels | None = None,
    examples: np.ndarray | None = None,
) -> list[Split]:
    """Return `n` disjoint, exhaustive, stratified test folds, named `fold0`, `fold1`, ...

    Raises:
        SplitError: fewer than two folds, or anything `stratified` refuses.
    """
    if n < 2:
        raise SplitError(f"cross-validation needs at least 2 folds, got {n}")
    shares = {f"fold{i}": Fraction(1, n) for i in range(n)}
    extra = {"groups": groups, "examples": examples}
    return list(stratified(labels, shares, dataset=dataset, seed=seed, **extra).values())


def fold_splits(
    labels: Labels,
    n: int,
    fold: int,
    *,
    dataset: str,
    seed: int,
    val: float = 0.1,
    calib: float = 0.1,
    groups: Labels | None = None,
    examples: np.ndarray | None = None,
) -> dict[str, Split]:
    """Return train / val / calib / test for one fold of a stratified n-fold cross-validation.

    `test` is fold number `fold` of `folds`, so the n test splits are disjoint and exhaust the data.
    The other folds are cut into `val` and `calib` (shares of what is left beside the test fold;
    0 leaves that split out) and `train` (the rest).

    Raises:
        SplitError: `fold` is not in [0, n), or anything `stratified` refuses.
    """
    if not 0 <= fold < n:
        raise SplitError(f"fold must be in [0, {n}), got {fold}")
    values = as_integers(labels, "labels")
    members = None if groups is None else _group_numbers(groups, values.size)
    source = np.arange(values.size) if examples is None else examples
    shared = {"dataset": dataset, "groups": members, "examples": source}
    held = folds(values, n, seed=seed, **shared)[fold]
    test = Split(dataset, "test", held.indices, held.examples)
    rest = np.setdiff1d(np.arange(values.size), test.indices)
    shares = {"train": 1 - Fraction(str(val)) - Fraction(str(calib)), "val": val, "calib": calib}
    inner = stratified(
        values[rest],
        {name: share for name, share in shares.items() if share != 0},
        dataset=dataset,
        seed=Stream(seed).child("dev", fold).seed,
        groups=None if members is None else members[rest],
        examples=source[rest],
    )
    dev = {
        name: Split(dataset, name, rest[split.indices], split.examples)
        for name, split in inner.items()
    }
    return {**dev, "test": test}


def _group_numbers(groups: Labels, n: int) -> np.ndarray:
    array = np.asarray(groups)
    if array.shape != (n,):
        raise SplitError(f"groups must be one id per label, [{n}], got {list(array.shape)}")
    return np.unique(array, return_inverse=True)[1]


def _shares(fractions: Mapping[str, float]) -> list[Fraction]:
    if not fractions:
        raise SplitError("fractions must name at least one split")
    shares = []
    for name, value in fractions.items():
        if not 0 < value <= 1:
            raise SplitError(f"the share of split {name!r} must be in (0, 1], got {value}")
        shares.append(Fraction(value).limit_denominator(10**6))
    if sum(shares) > 1:
        raise SplitError(f"the shares sum to {float(sum(shares))}, more than 1: {dict(fractions)}")
    # What is in no split is allotted like a split of its own, last.
    return [*shares, 1 - sum(shares)]


def _assign(label_of: np.ndarray, table: list[list[int]], words: np.ndarray) -> np.ndarray:
    """Deal the examples of each label, in random order, to the splits of that label's row."""
    owner = np.empty(label_of.size, dtype=np.int64)
    for label, row in enumerate(table):
        rows = np.flatnonzero(label_of == label)
        rows = rows[np.argsort(words[rows], kind="stable")]
        owner[rows] = np.repeat(np.arange(len(row)), row)
    return owner
