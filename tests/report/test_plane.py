"""The picture of the plane: which cells are in it, and what a reader is told."""

from pathlib import Path
from typing import Any

import pytest

from bayesnn_spike.report import plane
from bayesnn_spike.report.plane import plane_pictures
from bayesnn_spike.report.plane_file import write_plane
from tests.report.plane_case import answers

MODES = {"st_bisnn": ("mode",), "bayes_bisnn": ("committee", "mode")}


def cell(out: Path, rule: str, seed: int) -> tuple[Path, dict[str, Any]]:
    folder = out / f"two-moons-{rule}-seed{seed}"
    folder.mkdir()
    write_plane(folder, answers(*MODES[rule]))
    return folder, {"data": "two-moons", "rule": rule, "seed": seed}


@pytest.fixture
def titles(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The titles of the maps that are drawn."""
    drawn, draw = [], plane.predictive_plane

    def watched(maps, *args, **kwargs):
        drawn.extend(one.title for one in maps)
        return draw(maps, *args, **kwargs)

    monkeypatch.setattr(plane, "predictive_plane", watched)
    return drawn


def test_the_lowest_seed_that_all_rules_share_is_drawn(tmp_path: Path, titles: list[str]) -> None:
    cells = [("bayes_bisnn", 1), ("bayes_bisnn", 2), ("bayes_bisnn", 0), ("st_bisnn", 1)]
    records = [cell(tmp_path, rule, seed) for rule, seed in cells]
    found = plane_pictures(records)
    assert list(found) == ["plane-two-moons"]
    picture = found["plane-two-moons"]
    assert picture.png.startswith(b"\x89PNG")
    assert "two-moons, seed 1:" in picture.caption
    assert "class lower" in picture.caption
    assert titles == ["ST-BiSNN", "Bayes-BiSNN, mode", "Bayes-BiSNN, committee"]


def test_studies_without_a_plane_have_no_picture(tmp_path: Path) -> None:
    assert plane_pictures([(tmp_path, {"data": "nmnist", "rule": "bop", "seed": 0})]) == {}


def test_equal_answers_give_equal_pictures(tmp_path: Path) -> None:
    records = [cell(tmp_path, "st_bisnn", 0)]
    first, second = (plane_pictures(records)["plane-two-moons"].png for _ in range(2))
    assert first == second
