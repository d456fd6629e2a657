"""Workers: the numbers do not depend on them, failures are named, a stop leaves finished cells."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bayesnn_spike.study import pool
from bayesnn_spike.study.cell import Work
from bayesnn_spike.study.grid import Cell, cells
from bayesnn_spike.study.pool import cores, run_cells
from bayesnn_spike.study.progress import Progress
from bayesnn_spike.study.record import read_predictions, read_record
from tests.study.tiny import config, one_rule

ROOT = Path(__file__).resolve().parents[2]


def run(chosen: list[Cell], out: Path, workers: int) -> list[pool.Failure]:
    return run_cells(chosen, Work(out), workers=workers, progress=Progress("t", quiet=True))


def broken(cell: Cell) -> Cell:
    """The same cell with an estimator that the library does not have."""
    recipe = cell.settings["recipe"] | {"initial": "nowhere"}
    return Cell(cell.data, cell.fold, cell.rule, cell.seed, {**cell.settings, "recipe": recipe})


def test_two_workers_give_the_numbers_of_one_and_failures_are_named(tmp_path: Path) -> None:
    chosen = cells(config(seeds=1))
    assert run(chosen, tmp_path / "one", workers=1) == []
    bad = broken(cells(config(seeds=2))[3])
    (failure,) = run([bad, *chosen], tmp_path / "two", workers=2)
    assert failure.cell == bad.id
    assert failure.file == tmp_path / "two" / "cells" / bad.id / "error.txt"
    assert "Traceback" in failure.file.read_text()
    assert read_record(failure.file.parent) is None
    for cell in chosen:
        a, b = (
            read_predictions(tmp_path / where / "cells" / cell.id)["test"]
            for where in ("one", "two")
        )
        for mode, answer in a.modes.items():
            np.testing.assert_array_equal(answer.probs, b.modes[mode].probs)


def test_a_failure_in_this_process_lets_the_others_go_on(tmp_path: Path) -> None:
    bad, good = cells(one_rule(seeds=2))
    (failure,) = run([broken(bad), good], tmp_path, workers=1)
    assert failure.cell == bad.id
    assert failure.reason
    assert read_record(tmp_path / "cells" / good.id) is not None
    # A later success takes the traceback away.
    assert run([bad], tmp_path, workers=1) == []
    assert not failure.file.exists()


def test_an_interrupt_in_this_process_keeps_finished_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = cells(one_rule(seeds=2))
    work = pool.run_cell

    def interrupted(cell: Cell, *args: object, **kwargs: object) -> None:
        if cell == second:
            raise KeyboardInterrupt
        work(cell, *args, **kwargs)

    monkeypatch.setattr(pool, "run_cell", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run([first, second], tmp_path, workers=1)
    assert read_record(tmp_path / "cells" / first.id) is not None
    assert read_record(tmp_path / "cells" / second.id) is None


SCRIPT = """
import signal

# A shell that starts jobs in the background has them ignore Ctrl-C; this one must not.
signal.signal(signal.SIGINT, signal.default_int_handler)

import sys
from pathlib import Path
from bayesnn_spike.study.cell import Work
from bayesnn_spike.study.grid import cells
from bayesnn_spike.study.pool import run_cells
from bayesnn_spike.study.progress import Progress
from tests.study.tiny import one_rule

if __name__ == "__main__":
    rules = {"straight_through": {"lr": 0.01, "epochs": 1_000_000}}
    work, progress = Work(Path(sys.argv[1])), Progress("t", quiet=True)
    try:
        run_cells(cells(one_rule(rules=rules)), work, workers=2, progress=progress)
    except KeyboardInterrupt:
        sys.exit(130)
"""


def children(pid: int) -> set[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return {int(word) for word in listed.stdout.split()}


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_no_worker_outlives_the_study(tmp_path: Path) -> None:
    """Ctrl-C sent to the parent alone, and a kill that gives it no chance to tidy up."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    parents = {
        sent: subprocess.Popen([sys.executable, script, tmp_path / sent.name], env=environment)
        for sent in (signal.SIGINT, signal.SIGKILL)
    }
    for sent, parent in parents.items():
        training = tmp_path / sent.name / "cells"
        wait_until(lambda where=training: len(list(where.glob("*/checkpoint*"))) == 1)
        workers = children(parent.pid)
        assert workers
        parent.send_signal(sent)
        assert parent.wait(timeout=60) == {signal.SIGINT: 130, signal.SIGKILL: -9}[sent]
        wait_until(lambda pids=workers: not any(alive(pid) for pid in pids))


def test_nothing_to_do_is_done(tmp_path: Path) -> None:
    assert run([], tmp_path, workers=2) == []
    assert list(tmp_path.iterdir()) == []


def test_there_is_a_core() -> None:
    assert cores() >= 1
