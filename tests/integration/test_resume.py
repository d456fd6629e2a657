"""A run killed by SIGKILL anywhere and started again ends with the bits of an uninterrupted one."""

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.integration import resume_harness


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """What every scenario of the harness came to, by name."""
    done = subprocess.run(
        [sys.executable, resume_harness.__file__, str(tmp_path_factory.mktemp("runs"))],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return {run["name"]: run for run in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize(("problem", "count"), [("toy", 1 + 20 + 9 + 2 + 6), ("bayes", 3)])
def test_every_run_ends_with_the_same_bits(runs: dict[str, dict], problem: str, count: int) -> None:
    """The bits are those of this process, without a checkpoint."""
    digests = [run["digest"] for run in runs.values() if run["problem"] == problem]
    assert digests == [resume_harness.last_bits(problem)] * count


def test_the_kills_really_happened(runs: dict[str, dict]) -> None:
    """Each planned kill took effect, so that the test above did test a resume."""
    for name, run in runs.items():
        assert run["codes"][-1] == 0, name
        if name.endswith("uninterrupted"):
            assert run["codes"] == [0]
        elif "random" not in name:
            assert set(run["codes"][:-1]) == {-signal.SIGKILL}, name
    random_codes = [code for name in runs if "random" in name for code in runs[name]["codes"]]
    assert random_codes.count(-signal.SIGKILL) >= 6


def test_nothing_half_written_stays(runs: dict[str, dict]) -> None:
    for name, run in runs.items():
        assert run["left"] == ["digest", "fit.safetensors"], name
