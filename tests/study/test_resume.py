"""Resuming: finished cells are skipped, results of other settings are refused."""

from pathlib import Path

import pytest

from bayesnn_spike.study.config import StudyConfig
from bayesnn_spike.study.errors import ConfigError
from bayesnn_spike.study.grid import cells
from bayesnn_spike.study.record import write_record
from bayesnn_spike.study.resume import cell_folder, require_same_data, unfinished
from tests.study.tiny import config, tree


def finish(out: Path, made_with: StudyConfig, count: int) -> None:
    for cell in cells(made_with)[:count]:
        record = {
            "settings": cell.settings,
            "fingerprint": cell.fingerprint,
            "data_digest": "abc",
        }
        write_record(cell_folder(out, cell), record)


def test_all_cells_are_unfinished_in_a_new_folder(tmp_path: Path) -> None:
    for resume in (True, False):
        assert unfinished(cells(config()), tmp_path / "new", resume=resume) == cells(config())


def test_finished_cells_are_skipped(tmp_path: Path) -> None:
    finish(tmp_path, config(), 4)
    left = unfinished(cells(config()), tmp_path, resume=True)
    assert left == cells(config())[4:]


def test_a_folder_without_a_record_is_not_finished(tmp_path: Path) -> None:
    first = cells(config())[0]
    folder = cell_folder(tmp_path, first)
    folder.mkdir(parents=True)
    (folder / "model.safetensors").touch()
    assert first in unfinished(cells(config()), tmp_path, resume=False)


def test_more_seeds_and_rules_may_join(tmp_path: Path) -> None:
    finish(tmp_path, config(), 6)
    bop = {"rate": 1, "threshold": 0, "epochs": 1}
    more = config(seeds=3, rules={**tree()["rules"], "bop": bop})
    left = unfinished(cells(more), tmp_path, resume=True)
    assert len(left) == 4 * 3 - 6
    assert {(cell.rule, cell.seed) for cell in left} >= {("bop", 0), ("bayes_bisnn", 2)}


def test_finished_cells_without_resume_are_refused(tmp_path: Path) -> None:
    finish(tmp_path, config(), 2)
    with pytest.raises(ConfigError, match="holds 2 finished cells of 6: give --resume"):
        unfinished(cells(config()), tmp_path, resume=False)


def test_other_settings_are_refused_with_what_differs(tmp_path: Path) -> None:
    finish(tmp_path, config(), 2)
    rules = tree()["rules"]
    rules["straight_through"]["lr"] = 0.02
    with pytest.raises(ConfigError) as caught:
        unfinished(cells(config(rules=rules)), tmp_path, resume=True)
    assert "1 finished cells were made with other settings" in str(caught.value)
    assert "two-moons-straight_through-seed0" in str(caught.value)
    assert "recipe.lr: 0.01 -> 0.02" in str(caught.value)


def test_finished_cells_of_other_data_are_refused(tmp_path: Path) -> None:
    """Equal settings, other spikes. Cells of another data set are none of its business."""
    finish(tmp_path, config(), 2)
    asked, data = cells(config()), cells(config())[0].settings["data"]
    require_same_data(asked, tmp_path, data=data, digest="abc")
    with pytest.raises(ConfigError) as caught:
        require_same_data(asked, tmp_path, data=data, digest="0123456789abcdef")
    said = str(caught.value)
    assert "two-moons-straight_through-seed0 was trained on other data of this name" in said
    assert "digest abc, now 0123456789ab" in said
    require_same_data(asked, tmp_path, data={**data, "bins": 5}, digest="0123456789abcdef")
