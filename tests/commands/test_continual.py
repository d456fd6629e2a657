"""`bayesnn-spike continual`: from search to run to resume, and wrong configurations in words."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bayesnn_spike.cli import app
from bayesnn_spike.study.yaml_file import dump_yaml
from tests.study.continual_case import tree


def call(*arguments: object, code: int = 0):
    """Run a command in this process and check its exit code."""
    result = CliRunner().invoke(app, ["continual", *(str(argument) for argument in arguments)])
    unplanned = result.exception is not None and not isinstance(result.exception, SystemExit)
    assert not unplanned, result.exception
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two methods in a folder of their own."""
    small = tree(seeds=1)
    for block in (small["methods"], small["search"]["grid"]):
        del block["ewc"], block["joint"]
    path = tmp_path / "study" / "config.yaml"
    path.parent.mkdir()
    path.write_text(dump_yaml(small))
    return path.parent


def test_run_writes_summary_table_and_picture(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = call("run", study, "--out", out, "--seeds", 2)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["methods"]["bayes"]["seeds"] == 2
    assert (out / "table.md").read_text() in done.stdout
    assert (out / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    refused = call("run", study, "--out", out, code=2)
    assert "give --resume" in refused.stderr
    call("run", study, "--out", out, "--seeds", 2, "--resume")


def test_search_prints_what_it_chose(study: Path, tmp_path: Path) -> None:
    done = call("search", study, "--out", tmp_path / "trials")
    assert "bayes: settings.tempering=" in done.stdout
    assert (study / "results" / "search.json").is_file()
    assert (study / "results" / "chosen.yaml").is_file()


def test_a_wrong_key_is_one_plain_message(study: Path) -> None:
    refused = call("run", study, "--set", "methods.bayes.cary=naive", code=2)
    assert "did you mean 'carry'" in refused.stderr


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ("[[0, 1], [1]]", "class 1 stands twice"),
        ("[[0], [5]]", "two-moons has no class 5"),
    ],
)
def test_wrong_tasks_are_wrong_usage(study: Path, tmp_path: Path, tasks: str, message: str) -> None:
    refused = call("run", study, "--out", tmp_path / "out", "--set", f"tasks={tasks}", code=2)
    assert message in refused.stderr


def test_a_place_that_cannot_be_written_is_found_before_training(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bayesnn_spike.study.continual.run_continual", None)
    (tmp_path / "file").touch()
    refused = call("run", study, "--out", tmp_path / "file", code=2)
    assert "results cannot be written to" in refused.stderr
