"""What a cell leaves: written and read back, and refused where it is damaged."""

from pathlib import Path

import numpy as np
import pytest

from bayesnn_spike.study.errors import StudyError
from bayesnn_spike.study.record import (
    Predictions,
    Scored,
    read_predictions,
    read_record,
    versions,
    write_predictions,
    write_record,
)


def scored(rows: int) -> Scored:
    numbers = np.arange(rows, dtype=np.float32)
    modes = {
        mode: Predictions(np.full((rows, 2), shift), numbers, numbers + shift, numbers * shift)
        for mode, shift in (("mode", 0.5), ("committee", 0.25))
    }
    return Scored(np.arange(rows) + 7, np.arange(rows) % 2, modes)


def test_predictions_come_back(tmp_path: Path) -> None:
    written = {"test": scored(5), "calib": scored(3)}
    write_predictions(tmp_path, written)
    found = read_predictions(tmp_path)
    assert set(found) == {"test", "calib"}
    for split, one in found.items():
        np.testing.assert_array_equal(one.indices, written[split].indices)
        np.testing.assert_array_equal(one.labels, written[split].labels)
        assert set(one.modes) == {"mode", "committee"}
        for mode, predictions in one.modes.items():
            expected = written[split].modes[mode]
            for field in ("probs", "total", "aleatoric", "epistemic"):
                np.testing.assert_array_equal(
                    getattr(predictions, field), getattr(expected, field), strict=True
                )


@pytest.mark.parametrize("length", [0, 10, 200])
def test_cut_predictions_are_refused_by_name(tmp_path: Path, length: int) -> None:
    write_predictions(tmp_path, {"test": scored(5)})
    path = tmp_path / "predictions.npz"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(StudyError, match=r"predictions\.npz: cannot be read"):
        read_predictions(tmp_path)


def test_foreign_predictions_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "predictions.npz", x=np.zeros(3))
    with pytest.raises(StudyError, match="cannot be read as a cell's predictions"):
        read_predictions(tmp_path)


def test_a_record_comes_back_and_its_absence_means_unfinished(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None
    write_record(tmp_path, {"settings": {}, "fingerprint": "f"})
    assert read_record(tmp_path) == {"settings": {}, "fingerprint": "f"}


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"settings": {}}'])
def test_a_damaged_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(StudyError, match="not a cell's record"):
        read_record(tmp_path)


def test_versions_name_what_a_number_may_depend_on() -> None:
    assert {"python", "torch", "numpy", "bayesnn_spike"} <= set(versions())
