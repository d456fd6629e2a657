"""Answers over a plane: written and read back to the bit, and refused where they are cut."""

from pathlib import Path

import numpy as np
import pytest

from bayesnn_spike.report.plane_file import FIELDS, PlaneAnswers, read_plane, write_plane
from bayesnn_spike.report.results import ReportError
from tests.report.plane_case import answers


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = answers("mode", "committee")
    write_plane(tmp_path, written)
    found = read_plane(tmp_path)
    assert isinstance(found, PlaneAnswers)
    assert found.classes == ("upper", "lower")
    for name in ("x", "y", "points", "labels"):
        np.testing.assert_array_equal(getattr(found, name), getattr(written, name))
    assert list(found.modes) == ["mode", "committee"]
    for mode, fields in written.modes.items():
        for field in FIELDS:
            np.testing.assert_array_equal(found.modes[mode][field], fields[field])


def test_no_file_is_no_answers(tmp_path: Path) -> None:
    assert read_plane(tmp_path) is None


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    write_plane(tmp_path, answers("mode"))
    path = tmp_path / "plane.npz"
    whole = path.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(ReportError, match=r"plane\.npz: cannot be read as answers over"):
            read_plane(tmp_path)
    np.savez(path, x=np.zeros(3))
    with pytest.raises(ReportError, match="'y'"):
        read_plane(tmp_path)
