from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bayesnn_spike.events.apportion import allot
from bayesnn_spike.events.splits import (
    Ledger,
    Split,
    SplitError,
    SplitReuseError,
    fold_splits,
    folds,
    stratified,
)

LABELS = np.repeat(np.arange(10), 110)
FOUR = {"train": 0.7, "val": 0.1, "calib": 0.1, "test": 0.1}


def test_known_sizes_and_digest():
    splits = stratified(LABELS, FOUR, dataset="toy:1", seed=0)
    assert {name: len(split) for name, split in splits.items()} == {
        "train": 770,
        "val": 110,
        "calib": 110,
        "test": 110,
    }
    for name, size in {"train": 77, "val": 11, "calib": 11, "test": 11}.items():
        assert np.bincount(LABELS[splits[name].indices]).tolist() == [size] * 10
    # Pinned: a change here makes every published split another one.
    assert splits["test"].indices[:5].tolist() == PINNED_ROWS
    assert splits["test"].digest == PINNED_DIGEST


def test_digest_is_sha256_of_fingerprint_and_examples():
    split = Split("toy:1", "test", np.array([2, 0]))
    # sha256 of b"toy:1\0" and the int64 little-endian words 0, 2.
    from hashlib import sha256

    text = b"toy:1\0" + b"\0" * 8 + b"\2" + b"\0" * 7
    assert split.digest == sha256(text).hexdigest()
    assert split.indices.tolist() == [0, 2]
    assert Split("toy:1", "val", [0, 2]).digest == split.digest
    assert Split("toy:2", "test", [0, 2]).digest != split.digest
    assert Split("toy:1", "test", [0, 2]) == split
    assert Split("toy:1", "val", [0, 2]) != split
    assert len({split, Split("toy:1", "test", [0, 2])}) == 1


def test_the_seed_decides_the_examples():
    first = stratified(LABELS, FOUR, dataset="toy", seed=3)
    again = stratified(torch.as_tensor(LABELS), FOUR, dataset="toy", seed=3)
    other = stratified(LABELS, FOUR, dataset="toy", seed=4)
    assert [s.digest for s in first.values()] == [s.digest for s in again.values()]
    assert first["test"].digest != other["test"].digest


def test_sizes_are_exact_when_they_are_whole():
    # The label counts of MNIST's training images: no label divides evenly, the totals do.
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    labels = np.repeat(np.arange(10), counts)
    shares = {"train": 2000 / 60000, "val": 500 / 60000, "calib": 333 / 60000}
    splits = stratified(labels, shares, dataset="toy", seed=0)
    assert [len(split) for split in splits.values()] == [2000, 500, 333]


label_arrays = st.lists(st.integers(0, 6), min_size=12, max_size=120)
weights = st.lists(st.integers(1, 20), min_size=2, max_size=5)


@settings(deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=8), weights, st.booleans())
def test_every_label_gets_its_share(sizes, parts, whole):
    shares = [Fraction(part, sum(parts)) for part in parts]
    if whole:
        sizes = [*sizes, -sum(sizes) % sum(parts)]
    table = allot(sizes, shares)
    for size, row in zip(sizes, table, strict=True):
        assert sum(row) == size
        assert all(abs(count - size * share) < 1 for count, share in zip(row, shares, strict=True))
    for j, share in enumerate(shares):
        total, quota = sum(row[j] for row in table), sum(sizes) * share
        assert abs(total - quota) < 1
        if whole:
            assert total == quota


@settings(deadline=None)
@given(label_arrays, weights, st.integers(0, 2**32))
def test_splits_are_disjoint_exhaustive_and_stratified(labels, parts, seed):
    shares = {str(i): Fraction(part, sum(parts)) for i, part in enumerate(parts)}
    try:
        splits = stratified(labels, shares, dataset="toy", seed=seed)
    except SplitError as error:
        if "would be empty" not in str(error):
            raise
        return
    rows = np.concatenate([split.indices for split in splits.values()])
    assert sorted(rows.tolist()) == list(range(len(labels)))
    for name, split in splits.items():
        for label in set(labels):
            count = int((np.asarray(labels)[split.indices] == label).sum())
            assert abs(count - labels.count(label) * shares[name]) < 1


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=20, max_size=80),
    st.integers(0, 2**32),
)
def test_groups_never_straddle_splits(examples, seed):
    labels, groups = np.array(examples).T
    try:
        splits = stratified(labels, {"a": 0.5, "b": 0.5}, dataset="toy", seed=seed, groups=groups)
    except SplitError as error:
        if "tearing" not in str(error) and "would be empty" not in str(error):
            raise
        return
    assert not set(groups[splits["a"].indices]) & set(groups[splits["b"].indices])
    assert len(splits["a"]) + len(splits["b"]) == len(labels)


def test_equal_groups_are_shared_out_evenly():
    labels = np.tile([0, 1], 40)
    groups = np.repeat(np.arange(20), 4)
    splits = stratified(labels, {"a": 0.75, "b": 0.25}, dataset="toy", seed=1, groups=groups)
    assert len(splits["a"]) == 60
    assert len(splits["b"]) == 20
    assert np.bincount(labels[splits["b"].indices]).tolist() == [10, 10]


def test_the_rest_is_in_no_split():
    splits = stratified(LABELS, {"train": 0.5, "test": 0.2}, dataset="toy", seed=0)
    assert sum(len(split) for split in splits.values()) == 770


def test_folds_partition_the_data():
    parts = folds(LABELS, 5, dataset="toy", seed=0)
    assert [part.name for part in parts] == ["fold0", "fold1", "fold2", "fold3", "fold4"]
    rows = np.concatenate([part.indices for part in parts])
    assert sorted(rows.tolist()) == list(range(1100))
    assert all(np.bincount(LABELS[part.indices]).tolist() == [22] * 10 for part in parts)


@pytest.mark.parametrize("fold", range(5))
def test_fold_splits_stay_inside_the_other_folds(fold):
    parts = folds(LABELS, 5, dataset="toy", seed=2)
    splits = fold_splits(LABELS, 5, fold, dataset="toy", seed=2, val=0.125, calib=0.25)
    assert list(splits) == ["train", "val", "calib", "test"]
    assert splits["test"].digest == parts[fold].digest
    assert [len(split) for split in splits.values()] == [550, 110, 220, 220]
    rows = np.concatenate([split.indices for split in splits.values()])
    assert sorted(rows.tolist()) == list(range(1100))
    assert np.bincount(LABELS[splits["val"].indices]).tolist() == [11] * 10


def test_fold_splits_leave_out_what_has_no_share_and_keep_groups_whole():
    groups = np.tile(np.arange(55), 20)
    splits = fold_splits(LABELS, 5, 1, dataset="toy", seed=0, calib=0, groups=groups)
    assert list(splits) == ["train", "val", "test"]
    owners = [set(groups[split.indices]) for split in splits.values()]
    assert sum(len(owner) for owner in owners) == len(set.union(*owners)) == 55


def test_fold_splits_carry_the_numbers_of_the_source():
    source = np.arange(1100) * 7
    splits = fold_splits(LABELS, 5, 0, dataset="toy", seed=0, examples=source)
    for split in splits.values():
        assert split.examples.tolist() == (split.indices * 7).tolist()


def test_the_ledger_refuses_what_was_fitted_on():
    splits = stratified(LABELS, FOUR, dataset="toy:1", seed=0)
    ledger = Ledger().fitted("the weights", splits["train"]).fitted("temperature", splits["calib"])
    ledger.require_unused(splits["test"])
    with pytest.raises(SplitReuseError) as caught:
        ledger.require_unused(splits["calib"])
    message = str(caught.value)
    assert "cannot score on split 'calib'" in message
    assert "temperature was fitted on split 'calib'" in message
    assert "shares 110 of the 110 examples" in message
    assert "take another split" in message
    assert splits["calib"].digest[:12] in message


def test_the_ledger_looks_at_examples_not_at_names():
    ledger = Ledger().fitted("weights", Split("toy:1", "train", np.arange(10)))
    renamed = Split("toy:1", "test", np.arange(8, 12))
    with pytest.raises(SplitReuseError, match="shares 2 of the 4 examples"):
        ledger.require_unused(renamed, "calibration")
    ledger.require_unused(Split("other:1", "test", np.arange(8, 12)))
    # Other rows, the same images of the source.
    with pytest.raises(SplitReuseError, match="shares 1 of the 2"):
        ledger.require_unused(Split("toy:1", "test", [50, 51], np.array([9, 70])))


def test_fitted_does_not_change_the_ledger():
    empty = Ledger()
    full = empty.fitted("weights", Split("toy", "train", [0, 1]))
    assert empty.entries == ()
    assert full == Ledger().fitted("weights", Split("toy", "train", [0, 1]))


def test_a_ledger_survives_json():
    import json

    ledger = Ledger().fitted("weights", Split("toy", "train", [3, 1], np.array([30, 10])))
    data = json.loads(json.dumps(ledger.as_dict()))
    assert Ledger.from_dict(data) == ledger
    data["fitted"][0]["examples"][0] = 11
    with pytest.raises(SplitError, match="changed by hand"):
        Ledger.from_dict(data)


def test_split_arrays_are_read_only():
    rows = np.array([3, 1])
    split = Split("toy", "train", rows)
    with pytest.raises(ValueError, match="read-only"):
        split.indices[0] = 5
    rows[0] = 7
    assert split.indices.tolist() == [1, 3]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Split("toy", "a", np.array([], dtype=int)), "has no examples"),
        (lambda: Split("toy", "a", [1, 1]), "distinct"),
        (lambda: Split("toy", "a", [-1, 1]), "distinct indices >= 0"),
        (lambda: Split("toy", "a", [0.5]), "must be integers"),
        (lambda: Split("toy", "a", [0, 1], np.array([4])), "2 indices but 1 examples"),
        (lambda: Split("toy", "a", [0, 1], np.array([4, 4])), "distinct"),
        (lambda: stratified([0, 1], {}, dataset="t", seed=0), "at least one split"),
        (lambda: stratified([0, 1], {"a": 0.0}, dataset="t", seed=0), r"in \(0, 1\]"),
        (lambda: stratified([0, 1], {"a": 0.7, "b": 0.7}, dataset="t", seed=0), "more than 1"),
        (lambda: stratified([0.0, 1.0], {"a": 1.0}, dataset="t", seed=0), "must be integers"),
        (lambda: stratified([[0, 1]], {"a": 1.0}, dataset="t", seed=0), "must be integers"),
        (lambda: stratified([0], {"a": 0.9, "b": 0.1}, dataset="t", seed=0), "'b' of t would be"),
        (
            lambda: stratified([0, 0], {"a": 0.5, "b": 0.5}, dataset="t", seed=0, groups=[1, 1]),
            "1 groups cannot fill 2 splits",
        ),
        (lambda: stratified([0, 0], {"a": 1.0}, dataset="t", seed=0, groups=[1]), "one id per"),
        (lambda: folds([0, 1], 1, dataset="t", seed=0), "at least 2 folds"),
        (lambda: fold_splits([0, 1], 2, 2, dataset="t", seed=0), r"fold must be in \[0, 2\)"),
    ],
)
def test_bad_splits_are_refused(call, message):
    with pytest.raises(SplitError, match=message):
        call()


PINNED_ROWS = [2, 3, 8, 24, 31]
PINNED_DIGEST = "e519c626fb1307b59f2ac57129f3115fb74735c5125249837797f243d639161c"
