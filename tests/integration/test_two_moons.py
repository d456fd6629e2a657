"""The short form of studies/two_moons, whole: train online, score, ask the plane, draw it."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from bayesnn_spike.report import build_report
from bayesnn_spike.report.plane_file import read_plane
from bayesnn_spike.study.config import load_config
from bayesnn_spike.study.record import read_record
from bayesnn_spike.study.run import run_study

STUDY = Path(__file__).resolve().parents[2] / "studies" / "two_moons"
BAYES, ST = "two-moons-bayes_bisnn-seed0", "two-moons-st_bisnn-seed0"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two_moons") / "out"
    config = load_config(STUDY / "config-short.yaml")
    outcome = run_study(config, folder, workers=1, quiet=True)
    assert outcome.failures == []
    build_report(folder)
    return folder


def test_both_rules_learn_and_the_committee_learns_well(out: Path) -> None:
    rows = json.loads((out / "summary.json").read_text())["rows"]
    scores = {
        (row["rule"], row["predict"]): {m: row["metrics"][m]["mean"] for m in ("accuracy", "nll")}
        for row in rows
    }
    assert list(scores) == [
        ("st_bisnn", "mode"),
        ("bayes_bisnn", "mode"),
        ("bayes_bisnn", "committee"),
    ]
    committee = scores["bayes_bisnn", "committee"]
    assert committee["accuracy"] > 0.95
    assert committee["nll"] < math.log(2) / 3
    assert scores["st_bisnn", "mode"]["accuracy"] > 0.8
    # The training loss is the sum over two readouts; a network that knows nothing has 2 ln 2.
    for name in (BAYES, ST):
        assert read_record(out / "cells" / name)["train_loss"] < 2 * math.log(2) / 2


def test_the_committee_knows_the_moons_and_doubts_between_them(out: Path) -> None:
    found = read_plane(out / "cells" / BAYES)
    maps = found.modes["committee"]
    nodes = np.stack(np.meshgrid(found.x, found.y), axis=-1)  # [H, W, 2]
    distance = np.linalg.norm(nodes[:, :, None] - found.points, axis=-1)
    nearest = found.labels[distance.argmin(-1)]
    near = distance.min(-1) < 0.04
    right = (maps["probability"] > 0.5) == (nearest == 1)
    assert near.sum() > 30
    assert right[near].mean() > 0.9
    boundary = np.abs(maps["probability"] - 0.5) < 0.2
    assert maps["epistemic"][boundary].mean() > 3 * maps["epistemic"][~boundary].mean()
    single = read_plane(out / "cells" / ST).modes["mode"]
    np.testing.assert_array_equal(single["epistemic"], 0)


def test_the_picture_is_drawn_and_on_the_page(out: Path) -> None:
    picture = out / "pictures" / "plane-two-moons.png"
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert picture.stat().st_size > 50_000
    assert "what every rule says over the plane" in (out / "report.html").read_text()


@pytest.mark.parametrize("name", ["config.yaml", "config-published.yaml"])
def test_the_full_configurations_are_valid(name: str) -> None:
    config = load_config(STUDY / name)
    assert config.credit.horizon == 1
    assert config.network.hidden == (256, 256)
    assert config.seeds >= 5
