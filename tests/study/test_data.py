"""The parts of a cell never overlap, and a search never sees the test split."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bayesnn_spike.events.datasets import DataSetError
from bayesnn_spike.events.ledger import SplitReuseError
from bayesnn_spike.study.data import checked_parts, divide, find_root, join, load_data
from bayesnn_spike.study.errors import ConfigError
from bayesnn_spike.study.grid import cells
from bayesnn_spike.study.search import trials
from tests.study.tiny import one_rule, tree, with_folds

DATA = load_data(cells(one_rule())[0].settings["data"], None)
SEARCH = {"budget": 1, "grid": {"straight_through": {"lr": [0.1]}}}


def test_the_same_data_are_loaded_once() -> None:
    block = cells(one_rule())[0].settings["data"]
    assert load_data(block, None) is load_data(block, None)


def test_holdout_takes_the_named_splits() -> None:
    parts = divide(DATA, cells(one_rule())[0].settings)
    assert (parts.train, parts.calib, parts.test) == tuple(
        DATA.splits[name] for name in ("train", "calib", "test")
    )
    assert parts.ledger.entries == (("the network", parts.train),)


def test_splits_can_be_joined_for_training() -> None:
    protocol = {"kind": "holdout", "train": ["train", "val"]}
    (cell,) = cells(one_rule(data=[tree()["data"][0] | {"protocol": protocol}]))
    train = divide(DATA, cell.settings).train
    both = [DATA.splits["train"].indices, DATA.splits["val"].indices]
    np.testing.assert_array_equal(train.indices, np.concatenate(both))


def test_folds_test_every_example_once_and_train_on_none_of_them() -> None:
    made = [divide(DATA, cell.settings) for cell in cells(one_rule(data=with_folds()))]
    tested = np.concatenate([parts.test.indices for parts in made])
    np.testing.assert_array_equal(np.sort(tested), np.arange(len(DATA)))
    for parts in made:
        assert parts.calib is None
        assert len(parts.train) + len(parts.test) == len(DATA)
        assert not parts.train.shared(parts.test)


def test_folds_keep_a_share_for_calibration_where_asked() -> None:
    cell = cells(one_rule(data=with_folds(calib=0.25)))[0]
    parts = divide(DATA, cell.settings)
    assert len(parts.calib) == pytest.approx(0.25 * (len(parts.train) + len(parts.calib)), abs=1)


def search_parts(**changes: Any) -> list[Any]:
    (trial,) = trials(one_rule(search=SEARCH | changes))
    return [divide(DATA, cell.settings) for cell in trial.cells]


def test_a_search_trains_on_train_and_scores_val() -> None:
    (parts,) = search_parts()
    assert (parts.train, parts.test) == (DATA.splits["train"], DATA.splits["val"])


def test_a_search_by_folds_covers_train_and_val_and_nothing_else() -> None:
    made = search_parts(folds=3)
    allowed = np.concatenate([DATA.splits["train"].indices, DATA.splits["val"].indices])
    scored = np.concatenate([parts.test.indices for parts in made])
    np.testing.assert_array_equal(np.sort(scored), np.sort(allowed))
    for parts in made:
        assert set(parts.train.indices) | set(parts.test.indices) == set(allowed)
        for split in (parts.train, parts.test):
            np.testing.assert_array_equal(split.examples, DATA.examples()[split.indices])


@pytest.mark.parametrize(
    "changes", [{"val": "test"}, {"train": ["train", "test"]}, {"val": "test", "folds": 3}]
)
def test_a_search_on_the_test_split_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(SplitReuseError, match="cannot search on split"):
        search_parts(**changes)


def test_overlapping_parts_are_refused() -> None:
    train, calib, test = (DATA.splits[name] for name in ("train", "calib", "test"))
    with pytest.raises(SplitReuseError, match=r"cannot score on split 'test'.*the temperature"):
        checked_parts(train, join(calib, test, name="calib"), test)
    with pytest.raises(SplitReuseError, match="the network was fitted on"):
        checked_parts(join(train, test, name="train"), None, test)


def test_an_unknown_split_is_refused_with_the_known_ones() -> None:
    protocol = {"kind": "holdout", "test": "tset"}
    (cell,) = cells(one_rule(data=[tree()["data"][0] | {"protocol": protocol}]))
    with pytest.raises(ConfigError, match="no split 'tset'; there are: train, val, calib, test"):
        divide(DATA, cell.settings)


def test_a_root_has_a_folder_for_each_data_set(tmp_path: Path) -> None:
    (tmp_path / "fashion_mnist").mkdir()
    (tmp_path / "nmnist").mkdir()
    assert find_root("fashion-mnist", tmp_path) == tmp_path / "fashion_mnist"
    assert find_root("nmnist", tmp_path) == tmp_path / "nmnist"
    assert find_root("shd", tmp_path) is None
    assert find_root("nmnist", None) is None


def test_missing_data_are_an_error_that_says_where(tmp_path: Path) -> None:
    (tmp_path / "nmnist").mkdir()
    block = {"name": "nmnist", "bins": 10, "seed": 0, "options": {}}
    with pytest.raises(DataSetError, match=str(tmp_path)):
        load_data(block, tmp_path)


def test_a_root_without_the_data_set_is_named(tmp_path: Path, monkeypatch) -> None:
    """Not the cache, which nobody asked for; but what is only there is still found."""
    cache, root = tmp_path / "cache", tmp_path / "root"
    root.mkdir()
    monkeypatch.setenv("BAYESNN_SPIKE_CACHE", str(cache))
    block = {"name": "nmnist", "bins": 10, "seed": 0, "options": {}}
    with pytest.raises(DataSetError, match=rf"there is no {root / 'nmnist'}\. Give as root"):
        load_data(block, root)
    (cache / "nmnist").mkdir(parents=True)
    with pytest.raises(DataSetError, match=rf"found no .* in {cache / 'nmnist'}"):
        load_data(block | {"seed": 1}, root)


def test_a_wrong_option_of_a_loader_is_refused() -> None:
    block = {"name": "two-moons", "bins": 10, "seed": 0, "options": {"train_sise": 3}}
    with pytest.raises(DataSetError, match=r"did you mean 'train_size'\?"):
        load_data(block, None)
