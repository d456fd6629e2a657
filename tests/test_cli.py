"""The command line: help, exit codes, plain messages, and each command on small real work."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import bayesnn_spike
from bayesnn_spike.cli import app
from bayesnn_spike.study.yaml_file import dump_yaml
from tests.contracts.op_cases import CASES
from tests.study.tiny import tree

COMMANDS = (
    *("", "study", "study run", "study search", "study report"),
    *("continual run", "continual search", "hybrid"),
    *("data", "data list", "data info", "data check", "predict", "energy", "doctor"),
)

OPS = {case.op for case in CASES.values()}


def call(*arguments: object, code: int = 0) -> Result:
    """Run a command in this process and check its exit code; a traceback fails the test."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    unplanned = result.exception is not None and not isinstance(result.exception, SystemExit)
    assert not unplanned, result.exception
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study of one network, in a folder of its own."""
    rules = {"bayes_bisnn": {"lr": 0.3, "epochs": 1}}
    grid = {"bayes_bisnn": {"lr": [0.1, 0.3]}}
    search = {"budget": 2, "grid": grid}
    path = tmp_path / "study" / "config.yaml"
    path.parent.mkdir()
    path.write_text(dump_yaml(tree(rules=rules, seeds=1, search=search)))
    return path.parent


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_worth_reading(command: str) -> None:
    text = call(*command.split(), "--help").output
    assert "Usage:" in text
    if command not in ("study", "data"):
        assert "bayesnn-spike " in text, "an example to copy"


def test_help_is_quick_and_takes_no_torch_in() -> None:
    script = (
        "import sys, time; start = time.process_time()\n"
        "from bayesnn_spike.cli import app\n"
        "try: app(['study', 'run', '--help'])\n"
        "except SystemExit: pass\n"
        "print('torch' in sys.modules, time.process_time() - start)"
    )
    root = Path(bayesnn_spike.__file__).parents[1]
    seconds = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root
        )
        torch_is_in, took = done.stdout.splitlines()[-1].split()
        assert torch_is_in == "False"
        seconds.append(float(took))
        if seconds[-1] < 1:
            break
    assert min(seconds) < 1


def test_the_script_is_installed() -> None:
    script = shutil.which("bayesnn-spike", path=str(Path(sys.executable).parent))
    assert script is not None
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"bayesnn-spike {bayesnn_spike.__version__}"


@pytest.mark.parametrize(
    "arguments",
    [
        ["sudy"],
        ["study", "run"],
        ["study", "run", "nowhere"],
        ["study", "run", ".", "--seeds", "0"],
        ["study", "run", ".", "--sedes", "3"],
        ["hybrid", "nowhere.yaml"],
        ["predict", "nowhere.safetensors", "--data", "."],
        ["energy", "nowhere.safetensors", "--data", "."],
        ["data", "check", "nowhere"],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    assert "Traceback" not in call(*arguments, code=2).output


def test_a_study_from_run_to_report_to_resume(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = call("study", "run", study, "--out", out, "--workers", 1, "--seeds", 2)
    assert "bayes_bisnn, committee" in done.stdout
    assert str(out / "report.html") in done.stdout
    summary = json.loads((out / "summary.json").read_text())
    assert {row["seeds"] for row in summary["rows"]} == {2}
    for name in ("report.html", "table.md", "config.yaml"):
        assert (out / name).stat().st_size > 100
    assert list((out / "pictures").glob("*.png"))

    refused = call("study", "run", study, "--out", out, code=2)
    assert refused.stderr.startswith("error: ")
    assert "give --resume" in refused.stderr
    other = "rules.bayes_bisnn.lr=0.2"
    refused = call("study", "run", study, "--out", out, "--resume", "--set", other, code=2)
    assert "recipe.lr: 0.3 -> 0.2" in refused.stderr
    call("study", "run", study, "--out", out, "--resume")

    (out / "summary.json").unlink()
    (out / "report.html").unlink()
    assert "bayes_bisnn, committee" in call("study", "report", out).stdout
    assert json.loads((out / "summary.json").read_text())["rows"]
    assert (out / "report.html").is_file()


def test_a_wrong_key_is_one_plain_message(study: Path) -> None:
    refused = call("study", "run", study, "--set", "rules.bayes_bisnn.temperng=1", code=2)
    assert "did you mean 'tempering'?" in refused.stderr
    assert refused.stdout == ""


def test_a_failing_cell_is_exit_code_1_with_its_name(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    how = ("--workers", 1, "--set", "batch_size=65")
    failed = call("study", "run", study, "--out", out, *how, code=1)
    assert "failed: two-moons-bayes_bisnn-seed0: ValueError" in failed.stderr
    assert str(out / "cells" / "two-moons-bayes_bisnn-seed0" / "error.txt") in failed.stderr


@pytest.mark.parametrize(
    ("command", "work"), [("run", "run.run_study"), ("search", "search.search_study")]
)
def test_an_interrupt_says_how_to_go_on(
    study: Path, monkeypatch: pytest.MonkeyPatch, command: str, work: str
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"bayesnn_spike.study.{work}", interrupted)
    stopped = call("study", command, study, code=130)
    assert "interrupted; go on with --resume" in stopped.stderr


def test_missing_data_are_exit_code_1(study: Path, tmp_path: Path) -> None:
    (tmp_path / "nmnist").mkdir()
    how = ("--set", "data.0.name=nmnist", "--set", "data.0.options={}", "--data-root", tmp_path)
    failed = call("study", "run", study, "--out", tmp_path / "out", *how, code=1)
    assert "nmnist" in failed.stderr


def test_a_search_prints_what_it_chose(study: Path, tmp_path: Path) -> None:
    done = call("study", "search", study, "--out", tmp_path / "trials", "--workers", 1)
    assert "two-moons bayes_bisnn: lr=0." in done.stdout
    assert (study / "results" / "search.json").is_file()
    assert (study / "results" / "chosen.yaml").is_file()
    refused = call("study", "search", study, "--set", "search=null", code=2)
    assert "no search block" in refused.stderr


def test_a_report_needs_the_output_of_a_study(tmp_path: Path) -> None:
    assert "no output of `study run`" in call("study", "report", tmp_path, code=1).stderr


def test_data_sets_are_listed_and_described(tmp_path: Path) -> None:
    listed = call("data", "list", "--data-root", tmp_path).stdout
    assert "two-moons" in listed
    assert "nmnist" in listed
    facts = call("data", "info", "two-moons", "--bins", 5, "--set", "test_size=30").stdout
    assert "split test: 30 examples" in facts
    as_json = call("data", "info", "two-moons", "--bins", 5, "--json").stdout
    assert json.loads(as_json)["shape"] == {"time_steps": 5, "features": [20]}
    wrong = call("data", "info", "two-mons", code=2)
    assert "did you mean 'two-moons'?" in wrong.stderr
    wrong = call("data", "info", "two-moons", "--set", "test_sise=3", code=2)
    assert "did you mean 'test_size'?" in wrong.stderr


def write_recordings(path: Path, labels: list[int]) -> None:
    """A small `.npz` of recordings: 30 events each on a 34x34 sensor."""
    count = 30 * len(labels)
    n = np.arange(count)
    np.savez(
        path,
        x=(n % 34).astype(np.uint8),
        y=(n * 7 % 34).astype(np.uint8),
        p=(n % 2).astype(np.uint8),
        t=(n % 30 * 1000).astype(np.int32),
        offsets=np.arange(len(labels) + 1) * 30,
        labels=np.array(labels),
    )


def test_recordings_are_checked_file_by_file(tmp_path: Path) -> None:
    write_recordings(tmp_path / "good.npz", [0, 1, 2])
    sound = call("data", "check", tmp_path)
    assert "1 files sound, 0 not; 3 recordings, 90 events" in sound.stdout
    (tmp_path / "cut.bin").write_bytes(b"\x01\x02\x03\x04\x05\x06")
    (tmp_path / "header.aedat").write_bytes(b"#!nothing known")
    bad = call("data", "check", tmp_path, code=1)
    assert "1 files sound, 2 not" in bad.stdout
    for name in ("cut.bin", "header.aedat"):
        assert f"unsound: {tmp_path / name}" in bad.stderr
    (tmp_path / "empty").mkdir()
    assert "no recordings" in call("data", "check", tmp_path / "empty", code=1).stderr


def test_the_doctor_finds_this_machine_well() -> None:
    facts = json.loads(call("doctor", "--json").stdout)
    assert facts["problems"] == []
    assert facts["packages"]["torch"]["works"]
    ran = [line.split("/")[0] for line in facts["implementations"] if ": runs" in line]
    assert sorted(ran) == sorted(OPS)
    assert any("signed_linear/cpu: runs, event-driven" in line for line in facts["implementations"])
    kernels = re.fullmatch(
        r"vectors of (256|512) bits, threads: 1, (PyTorch's team|a pool of their own)",
        facts["machine"]["kernels"],
    )
    assert kernels
    assert "torch" in call("doctor").stdout


def test_the_doctor_knows_a_machine_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "numba" else find(name, *a)
    )
    facts = json.loads(call("doctor", "--json").stdout)
    assert facts["machine"]["kernels"] == "none: numba is missing, the reference runs"
    ran = [line.split(":")[0] for line in facts["implementations"] if ": runs" in line]
    assert sorted(ran) == sorted(f"{name}/reference" for name in OPS)


def test_the_doctor_refuses_a_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    assert numba  # it reads the variable as well when it is first imported
    monkeypatch.setenv("NUMBA_NUM_THREADS", "many")
    ill = call("doctor", code=1)
    assert "problem: NUMBA_NUM_THREADS must be a positive integer, got 'many'" in ill.stderr


def test_the_doctor_names_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BAYESNN_SPIKE_CACHE", str(tmp_path / "file"))
    ill = call("doctor", code=1)
    assert "problem: the cache folder" in ill.stderr
    assert "BAYESNN_SPIKE_CACHE" in ill.stderr
