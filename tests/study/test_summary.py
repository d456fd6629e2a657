"""The summary: folds pooled by hand, temperatures from the right examples, unfinished seeds."""

from pathlib import Path

import numpy as np
import pytest

from bayesnn_spike.calibration import fit_temperature, nll
from bayesnn_spike.study.config import StudyConfig
from bayesnn_spike.study.errors import StudyError
from bayesnn_spike.study.grid import Cell, cells
from bayesnn_spike.study.record import Predictions, Scored, write_predictions, write_record
from bayesnn_spike.study.resume import cell_folder
from bayesnn_spike.study.summary import read_rows, summarise
from tests.study.tiny import one_rule, with_folds

LABELS = np.arange(24) % 2


def probabilities(cell: Cell, indices: np.ndarray) -> np.ndarray:
    """Random and unlike for every cell, the same for the same cell."""
    generator = np.random.Generator(np.random.Philox(key=[cell.seed, cell.fold or 0]))
    p = generator.uniform(0.02, 0.98, size=len(indices))
    return np.stack([p, 1 - p], axis=1)


def scored(cell: Cell, indices: np.ndarray) -> Scored:
    zeros = np.zeros(len(indices))
    answer = Predictions(probabilities(cell, indices), zeros, zeros, zeros)
    return Scored(indices, LABELS[indices], {"mode": answer})


def finish(out: Path, cell: Cell, *, calib: bool = False, digest: str = "d") -> None:
    fold = cell.fold
    indices = np.arange(24) if fold is None else np.arange(24)[np.arange(24) % 3 == fold]
    splits = {"test": scored(cell, indices)}
    if calib:
        splits["calib"] = scored(cell, np.arange(10))
    folder = cell_folder(out, cell)
    write_predictions(folder, splits)
    seconds = 1.0 + cell.seed + (fold or 0)
    record = {"cell": cell.id, "settings": cell.settings, "fingerprint": cell.fingerprint}
    write_record(folder, {**record, "data_digest": digest, "seconds": seconds})


def study(*, folds: bool, seeds: int = 2) -> StudyConfig:
    data = {"data": with_folds()} if folds else {}
    return one_rule(seeds=seeds, **data)


def test_folds_are_pooled_for_each_seed(tmp_path: Path) -> None:
    made = study(folds=True)
    for cell in cells(made):
        finish(tmp_path, cell)
    (row,) = summarise(made, tmp_path, command="c")["rows"]
    assert row["examples"] == 24
    for seed in (0, 1):
        pooled = np.empty((24, 2))
        for cell in cells(made):
            if cell.seed == seed:
                rows = np.arange(24)[np.arange(24) % 3 == cell.fold]
                pooled[rows] = probabilities(cell, rows)
        assert row["metrics"]["nll"]["values"][seed] == nll(pooled, LABELS).value
    assert row["seconds"]["values"] == [2.0, 3.0]


def test_a_fold_without_calib_is_scaled_by_the_other_folds(tmp_path: Path) -> None:
    made = study(folds=True, seeds=1)
    for cell in cells(made):
        finish(tmp_path, cell)
    (row,) = read_rows(made, tmp_path)
    for fold in range(3):
        mine = np.arange(24) % 3 == fold
        temperature = fit_temperature(row.probs[0][~mine], LABELS[~mine])
        np.testing.assert_allclose(row.scaled[0][mine], temperature(row.probs[0][mine]))


def test_calib_examples_fit_the_temperature_where_there_are_any(tmp_path: Path) -> None:
    made = study(folds=False, seeds=1)
    (cell,) = cells(made)
    finish(tmp_path, cell, calib=True)
    summary = summarise(made, tmp_path, command="c")
    expected = fit_temperature(probabilities(cell, np.arange(10)), LABELS[:10])
    (row,) = summary["calibrated"]
    assert row["temperature"]["values"] == [expected.value]
    scaled = expected(probabilities(cell, np.arange(24)))
    assert row["metrics"]["nll"]["values"] == [nll(scaled, LABELS).value]


def test_without_examples_for_it_nothing_is_scaled(tmp_path: Path) -> None:
    made = study(folds=False, seeds=1)
    finish(tmp_path, cells(made)[0])
    summary = summarise(made, tmp_path, command="c")
    assert len(summary["rows"]) == 1
    assert summary["calibrated"] == []


def test_a_seed_without_all_its_folds_is_left_out(tmp_path: Path) -> None:
    made = study(folds=True)
    for cell in cells(made)[:-1]:
        finish(tmp_path, cell)
    (row,) = summarise(made, tmp_path, command="c")["rows"]
    assert row["seeds"] == 1
    assert row["metrics"]["nll"]["std"] is None


def test_cells_of_different_data_are_not_mixed(tmp_path: Path) -> None:
    made = study(folds=False)
    for cell, digest in zip(cells(made), ("one", "two"), strict=True):
        finish(tmp_path, cell, digest=digest)
    with pytest.raises(StudyError, match=r"seed1 was trained on other data .*digest two, not one"):
        summarise(made, tmp_path, command="c")


def test_nothing_finished_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no finished cells"):
        summarise(study(folds=False), tmp_path, command="c")


def test_equal_predictions_give_equal_summaries(tmp_path: Path) -> None:
    made = study(folds=False)
    for cell in cells(made):
        finish(tmp_path, cell, calib=True)
    first, second = (summarise(made, tmp_path, command="c") for _ in range(2))
    assert first == second
