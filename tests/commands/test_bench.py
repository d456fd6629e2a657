"""`bayesnn-spike bench`: a quick run from end to end, its files, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bayesnn_spike.bench import forward
from bayesnn_spike.bench.cases import QUICK
from tests.test_cli import call

SMALL = ("--quick", "--threads", 1, "--budget", 0.002)
KEYS = {
    *("bench", "case", "k", "who", "seconds", "low", "high", "runs", "gmac_per_s", "peak_bytes"),
    *("ratio", "ratio_bf16", "share_of_roofline", "item", "items", "ns_per_item"),
}


def test_a_quick_run_of_everything(tmp_path: Path) -> None:
    """Every bench, everyone, and the sweeps: all green, one row each, files beside each other."""
    path = tmp_path / "new" / "cpu.json"
    done = call("bench", "all", "--scaling", *SMALL, "--json", path)
    result = json.loads(path.read_text())
    assert result["complete"]
    assert result["left_out"] == []
    rows = [row for row in result["rows"] if row["bench"] != "scaling"]
    assert all(set(row) == KEYS for row in rows)
    assert {row["who"] for row in rows if row["bench"] == "forward"} == set(forward.WHO) - {
        "triton"
    }
    places = [(row["bench"], row["case"], row["k"], row["who"]) for row in rows]
    assert len(set(places)) == len(places)
    assert {row["k"] for row in rows if row["case"] == "nmnist-mlp"} >= set(
        QUICK["nmnist-mlp"].draws
    )
    assert result["machine"]["threads"] == 1
    assert "Sampled forward" in done.stdout
    assert f"result: {path}" in done.stdout
    assert "forward nmnist-mlp K=3" in done.stderr
    assert "Sampled forward" in path.with_suffix(".md").read_text()
    assert path.with_name("scaling.png").stat().st_size > 1000


def test_who_disagrees_is_an_error_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "wrong.json"
    sampled, dtype, tolerance = forward.BASELINES["torch-loop"]

    def wrong(layers, kind):
        first = replace(layers[0], gain=1.0)
        return sampled((first, *layers[1:]), kind)

    monkeypatch.setitem(forward.BASELINES, "torch-loop", (wrong, dtype, tolerance))
    one = ("--case", "wide", "--who", "torch-loop", "--who", "torch-fused-t")
    failed = call("bench", "forward", *one, *SMALL, "--json", path, code=1)
    assert "wrong: forward wide K=3, torch-loop: differs from the reference" in failed.stderr
    (good, bad) = sorted(json.loads(path.read_text())["rows"], key=lambda row: row["who"])
    assert "seconds" in good
    assert set(bad) == {"bench", "case", "k", "who", "error"}
    assert "wrong" in path.with_suffix(".md").read_text()


def test_who_needs_too_long_is_named(tmp_path: Path) -> None:
    one = ("--case", "wide", "--who", "reference", "--longest", 0.001)
    done = call("bench", "forward", *one, *SMALL)
    assert "not timed: reference: would take about" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["foward"], "unknown bench 'foward'; did you mean 'forward'?"),
        (["--case", "wid"], "unknown case 'wid'; did you mean 'wide'?"),
        (["--who", "snntorsch"], "unknown implementation 'snntorsch'; did you mean 'snntorch'?"),
        (["draw", "--who", "snntorch"], "takes no part in the bench draw"),
        (["--who", "triton"], "give --device cuda"),
        (["--json", "result.txt"], "must end in .json"),
        (["--threads", "0"], "threads"),
        (["--budget", "0"], "budget"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], message: str) -> None:
    refused = call("bench", "--quick", *arguments, code=2)
    assert message in refused.stderr


def test_an_interrupt_says_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cpu.json"

    def interrupted(*_args, keep, **_options) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bayesnn_spike.bench.run.run", interrupted)
    stopped = call("bench", "--quick", "--json", path, code=130)
    assert stopped.stderr.strip().endswith("error: interrupted")
    assert not path.exists()


def test_an_interrupt_in_the_middle_leaves_the_finished_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cpu.json"
    jobs = []

    def once(*arguments) -> None:
        jobs.append(arguments)
        if len(jobs) == 2:
            raise KeyboardInterrupt
        right(*arguments)

    from bayesnn_spike.bench import run as module

    right = module._run_group
    monkeypatch.setattr(module, "_run_group", once)
    stopped = call("bench", "draw", *SMALL, "--json", path, code=130)
    assert f"interrupted (finished jobs: {path})" in stopped.stderr
    result = json.loads(path.read_text())
    assert {row["case"] for row in result["rows"]} == {"nmnist-mlp"}
    assert not result["complete"]
    assert "Interrupted" in path.with_suffix(".md").read_text()


def test_an_earlier_result_stays_until_there_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cpu.json"
    path.write_text("earlier")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bayesnn_spike.bench.run._run_group", interrupted)
    call("bench", "draw", *SMALL, "--json", path, code=130)
    assert path.read_text() == "earlier"


def test_a_plot_that_cannot_be_drawn_is_found_before_anything_is_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"matplotlib": None}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: found.get(name, name))
    arguments = ("scaling", "--quick", "--who", "cpu", "--json", tmp_path / "cpu.json")
    failed = call("bench", *arguments, code=1)
    assert "matplotlib is not installed" in failed.stderr
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_found_before_anything_is_timed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    failed = call("bench", "--quick", "--json", tmp_path / "file" / "cpu.json", code=1)
    assert "error: " in failed.stderr


def test_help_is_worth_reading() -> None:
    text = call("bench", "--help").output
    assert "bayesnn-spike bench --quick" in text
    for option in ("--json", "--case", "--who", "--threads", "--budget", "--quick", "--scaling"):
        assert option in text
