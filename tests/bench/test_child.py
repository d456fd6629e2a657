"""The memory of a run in a fresh process."""

import json
from dataclasses import replace

import pytest

from bayesnn_spike.bench import child, fire
from bayesnn_spike.bench.cases import QUICK
from bayesnn_spike.bench.child import ChildError, peak_in_fresh_process


def test_a_fresh_process_says_how_much_a_run_takes() -> None:
    (group,) = fire.groups([QUICK["gesture-conv"]], "cpu")
    peak = peak_in_fresh_process(group, "torch-loop", threads=1, quick=True)
    assert 0 <= peak < 64 * 2**20


def test_a_process_that_fails_says_why() -> None:
    (group,) = fire.groups([QUICK["gesture-conv"]], "cpu")
    other = replace(group, case="no such case")
    with pytest.raises(ChildError, match="StopIteration"):
        peak_in_fresh_process(other, "torch-loop", threads=1, quick=True)


def test_the_child_builds_the_job_it_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []
    monkeypatch.setattr("bayesnn_spike.bench.memory.peak_bytes", lambda run: ran.append(run()) or 5)
    order = {"bench": "forward", "case": "wide", "k": 3, "who": "torch-loop"}
    assert child.main(json.dumps({**order, "threads": 1, "quick": True})) == 5
    assert ran[0].shape == (3, 4, 10)
