"""Asking a trained network all over the plane: where the points are, and what is answered."""

from pathlib import Path

import numpy as np

from bayesnn_spike.events.datasets.two_moons import grid, points
from bayesnn_spike.export import load_artifact
from bayesnn_spike.predict import Mode, predict
from bayesnn_spike.report.plane_file import read_plane
from bayesnn_spike.rng import Stream
from bayesnn_spike.study.cell import Work, run_cell
from bayesnn_spike.study.config import parse_config
from bayesnn_spike.study.grid import cells
from bayesnn_spike.study.plane import answer_plane
from bayesnn_spike.study.run import run_study
from tests.study.tiny import config, tree

RULES = {"bayes_bisnn": tree()["rules"]["bayes_bisnn"]}


def test_the_plane_is_asked_only_where_a_study_wants_it(tmp_path: Path) -> None:
    (cell,) = cells(config(rules=RULES, seeds=1))
    run_cell(cell, Work(tmp_path))
    assert read_plane(Work(tmp_path).folder(cell)) is None


def test_answers_are_those_of_the_artifact_at_the_points_of_the_grid(tmp_path: Path) -> None:
    (cell,) = cells(config(rules=RULES, seeds=1))
    work = Work(tmp_path, plane=5)
    run_cell(cell, work)
    found = read_plane(work.folder(cell))
    np.testing.assert_allclose(found.x, np.arange(5) / 5)
    np.testing.assert_allclose(found.y, np.arange(5) / 5)
    assert found.classes == ("upper", "lower")
    assert list(found.modes) == ["mode", "committee"]
    network, posterior, _ = load_artifact(work.folder(cell) / "model.safetensors")
    nodes, spikes = grid(bins=10, seed=0, steps=5)
    again = predict(network, posterior, spikes.transpose(0, 1), stream=Stream(0), how=Mode())
    for (x, y), expected in zip(nodes.tolist(), again.probabilities[:, 1], strict=True):
        column, row = round(5 * x), round(5 * y)
        assert found.modes["mode"]["probability"][row, column] == float(expected)
    committee = found.modes["committee"]
    parts = committee["aleatoric"] + committee["epistemic"]
    np.testing.assert_allclose(committee["total"], parts, atol=1e-5)


def test_the_training_points_are_those_of_the_training(tmp_path: Path) -> None:
    (cell,) = cells(config(rules=RULES, seeds=1))
    work = Work(tmp_path, plane=2)
    run_cell(cell, work)
    found = read_plane(work.folder(cell))
    sizes = {"train": 64, "val": 32, "calib": 32, "test": 40}
    xy, labels = points(sizes, seed=0)["train"]
    np.testing.assert_array_equal(found.points, xy.numpy())
    np.testing.assert_array_equal(found.labels, labels.numpy())


def test_other_data_have_no_plane(tmp_path: Path) -> None:
    class Recordings:
        name = "nmnist"

    answer_plane(tmp_path, Recordings(), None, None, steps=5)
    assert list(tmp_path.iterdir()) == []


def test_the_plane_changes_no_result(tmp_path: Path) -> None:
    """It is no part of a cell's settings: a study with a picture resumes one without."""
    plain, drawn = (
        parse_config(tree(rules=RULES, seeds=1, **plane)) for plane in ({}, {"plane": 3})
    )
    run_study(plain, tmp_path, workers=1, quiet=True)
    assert run_study(drawn, tmp_path, resume=True, workers=1, quiet=True).ran == 0
