"""A whole study of continual learning: run, resume, search, and the summary's numbers by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from bayesnn_spike.study.continual import (
    run_continual_study,
    search_continual,
    summarise_continual,
    with_interval,
)
from bayesnn_spike.study.errors import ConfigError
from bayesnn_spike.study.yaml_file import read_yaml
from tests.study.continual_case import config

CLASS = [[[0.9, 0.1], [0.5, 0.7]], [[1.0, 0.0], [0.8, 0.6]]]


def record(method: str, seed: int) -> dict:
    one = np.array(CLASS[seed]) - (0.1 if method == "naive" else 0)
    rows = one[-1:] if method == "joint" else one
    spread = method in ("bayes", "joint")
    matrices = {f"{c} {s}": rows.tolist() for c in ("class", "task") for s in ("accuracy", "nll")}
    matrices |= {f"{c} ece": (rows / 10).tolist() for c in ("class", "task")}
    matrices["epistemic"] = (rows * 2).tolist() if spread else [None] * len(rows)
    return {
        "method": method,
        "seed": seed,
        "matrices": matrices,
        "frozen": [0.1 * (seed + 1)] * len(rows) if spread else [None] * len(rows),
        "seconds": 1.0 + seed,
        "splits": {},
    }


def test_the_summary_by_hand() -> None:
    records = [record(m, s) for s in (0, 1) for m in ("naive", "ewc", "bayes", "joint")]
    summary = summarise_continual(config(), records, command="c")
    bayes = summary["methods"]["bayes"]
    scores = bayes["scores"]["class"]
    assert scores["accuracy"]["values"] == pytest.approx([0.6, 0.7])
    assert scores["backward_transfer"]["values"] == pytest.approx([-0.4, -0.2])
    assert scores["forgetting"]["values"] == pytest.approx([0.4, 0.2])
    assert scores["just_learned"]["values"] == pytest.approx([0.8, 0.8])
    assert scores["ece"]["mean"] == pytest.approx(0.065)
    assert bayes["matrices"]["class accuracy"] == pytest.approx(np.mean(CLASS, axis=0))
    assert bayes["epistemic"] == pytest.approx({"old": 1.3, "current": 1.6, "future": 0.1})
    assert bayes["frozen"] == pytest.approx([0.15, 0.15])
    assert set(summary["methods"]["joint"]["scores"]["task"]) == {"accuracy", "nll", "ece"}
    assert "epistemic" not in summary["methods"]["naive"]
    pairs = {d["minus"]: d for d in summary["differences"]}
    assert set(pairs) == {"naive", "ewc", "joint"}
    assert pairs["naive"]["class"]["accuracy"]["mean"] == pytest.approx(0.1)
    assert pairs["naive"]["class"]["accuracy"]["interval"] == pytest.approx([0.1, 0.1])


def test_a_student_interval_by_hand() -> None:
    """Mean 2, sd 1, n = 3: 2 +- 4.303 / sqrt(3)."""
    entry = with_interval([1.0, 2.0, 3.0])
    assert entry["interval"] == pytest.approx([2 - 2.4843, 2 + 2.4843], abs=1e-3)
    assert with_interval([1.0])["interval"] is None


@pytest.mark.parametrize("count", [2, 3, 10, 11, 12, 20, 200])
def test_student_intervals_of_any_number_of_seeds(count: int) -> None:
    """Against scipy's quantile; more than ten seeds had none."""
    values = np.sin(np.arange(count))
    low, high = with_interval(values.tolist())["interval"]
    half = stats.t.ppf(0.975, count - 1) * stats.sem(values)
    assert (high - low) / 2 == pytest.approx(half, rel=2e-4)
    assert (high + low) / 2 == pytest.approx(values.mean())


def test_cells_do_not_join_those_of_other_data(tmp_path: Path) -> None:
    """The settings are equal, the spikes behind them are not: nothing more is run."""
    methods = {k: v.model_dump() for k, v in config().methods.items() if k == "naive"}
    run_continual_study(config(seeds=1, methods=methods, search=None), tmp_path)
    (file,) = (tmp_path / "cells").glob("*/record.json")
    kept = json.loads(file.read_text())
    file.write_text(json.dumps({**kept, "data_digest": "0123456789abcdef"}))
    more = config(seeds=2, methods=methods, search=None)
    seen: list[str] = []
    with pytest.raises(ConfigError, match=r"naive-seed0 .*digest 0123456789ab, now"):
        run_continual_study(more, tmp_path, resume=True, on_cell=seen.append)
    assert seen == []


def test_a_study_runs_and_resumes(tmp_path: Path) -> None:
    seen: list[str] = []
    small = config(seeds=1, methods={k: v.model_dump() for k, v in config().methods.items()})
    first = run_continual_study(small, tmp_path, command="c", on_cell=seen.append)
    assert len(seen) == 4
    assert json.loads((tmp_path / "summary.json").read_text()) == json.loads(json.dumps(first))
    with pytest.raises(ConfigError, match="give --resume"):
        run_continual_study(small, tmp_path)
    again = run_continual_study(small, tmp_path, resume=True, command="c", on_cell=seen.append)
    assert len(seen) == 4
    assert again == first


def test_a_search_chooses_by_the_two_accuracies(tmp_path: Path) -> None:
    found = search_continual(config(), tmp_path / "trials", results=tmp_path)
    assert len(found["trials"]) == 8
    for trial in found["trials"]:
        (one,), (two,) = trial["accuracy"]["class"], trial["accuracy"]["task"]
        assert trial["score"] == pytest.approx((one + two) / 2)
    for name, entry in found["chosen"].items():
        assert entry["score"] == max(t["score"] for t in found["trials"] if t["method"] == name)
    chosen = read_yaml(tmp_path / "chosen.yaml")["methods"]
    assert chosen["ewc"] == {"strength": found["chosen"]["ewc"]["config"]["strength"]}
    assert json.loads((tmp_path / "search.json").read_text())["chosen"] == found["chosen"]
    with pytest.raises(ConfigError, match="no search block"):
        search_continual(config(search=None), tmp_path, results=tmp_path)
