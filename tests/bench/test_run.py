"""Running benches: what is timed, what is not and why, and a result that is whole at any time.

A stand-in bench takes the place of the real ones, so that every kind of failure can be had.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from bayesnn_spike.bench import run as module
from bayesnn_spike.bench.cases import Case
from bayesnn_spike.bench.child import ChildError
from bayesnn_spike.bench.group import Entry, Group
from bayesnn_spike.bench.roofline import Roofline
from bayesnn_spike.bench.run import run
from bayesnn_spike.bench.settings import Settings, choose

WHO = ("cpu", "torch-loop", "snntorch")
Build = Callable[[str], Entry]


def fine(seconds: float = 0.001) -> Entry:
    return Entry(lambda: time.sleep(seconds), lambda: None)


def bench_of(build: Build, *, macs: int | None = None) -> SimpleNamespace:
    def groups(cases: Iterable[Case], device: str) -> Iterator[Group]:
        for case in cases:
            yield Group("draw", case.name, 2, WHO, build, item="weight", items=10, macs=macs)

    return SimpleNamespace(groups=groups, WHO=WHO)


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = Roofline(popcount=100.0, gemm_fp32=10.0, gemm_bf16=1.0, copy=5.0)
    monkeypatch.setattr(module, "measure", lambda *_args, **_options: rates)


@pytest.fixture
def settings() -> Settings:
    return choose("draw", cases=["wide"], quick=True)


def result_of(
    build: Build, settings: Settings, monkeypatch: pytest.MonkeyPatch, macs: int | None = None
) -> dict:
    monkeypatch.setitem(module.BENCHES, "draw", bench_of(build, macs=macs))
    return json.loads(json.dumps(run(settings)))


def test_everyone_who_is_green_has_a_row(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = result_of(lambda who: fine(0.003 if who == "cpu" else 0.006), settings, monkeypatch)
    assert [row["who"] for row in found["rows"]] == ["cpu", "torch-loop", "snntorch"]
    assert found["rows"][0]["ratio"] == pytest.approx(2, rel=0.4)
    assert all(row["peak_bytes"] >= 0 for row in found["rows"])
    assert found["machine"]["roofline"]["popcount_gmac_per_s"] == 100.0
    assert found["machine"]["threads"] == found["settings"]["threads"] == settings.threads
    assert (found["complete"], found["left_out"], found["lines"]) == (True, [], [])


def test_who_is_wrong_is_not_timed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []

    def build(who: str) -> Entry:
        if who == "cpu":
            return Entry(lambda: ran.append(who), lambda: "differs by 3")
        return fine()

    found = result_of(build, settings, monkeypatch)
    wrong, *others = found["rows"]
    place = {"bench": "draw", "case": "wide", "k": 2, "who": "cpu"}
    assert wrong == {**place, "error": "differs by 3"}
    assert ran == []
    assert [row["who"] for row in others] == ["torch-loop", "snntorch"]


@pytest.mark.parametrize("where", ["build", "check", "run"])
def test_who_fails_is_not_timed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def fails() -> None:
        raise MemoryError("no room")

    def build(who: str) -> Entry:
        if who != "snntorch":
            return fine()
        if where == "build":
            fails()
        return Entry(
            fails if where == "run" else lambda: None, fails if where == "check" else lambda: None
        )

    found = result_of(build, settings, monkeypatch)
    errors = [row["error"] for row in found["rows"] if "error" in row]
    assert errors == ["MemoryError: no room"]
    assert sum("seconds" in row for row in found["rows"]) == 2


def test_a_package_that_cannot_be_imported_is_left_out(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(who: str) -> Entry:
        if who == "snntorch":
            raise ModuleNotFoundError("No module named 'something'")
        return fine()

    (left,) = result_of(build, settings, monkeypatch)["left_out"]
    assert left["who"] == "snntorch"
    assert "cannot be imported: No module named 'something'" in left["reason"]


def test_a_package_that_is_missing_is_left_out(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        module, "absence", lambda who, _device: "is not installed" if who == "snntorch" else None
    )
    found = result_of(lambda _: fine(), settings, monkeypatch)
    assert [left["reason"] for left in found["left_out"]] == ["is not installed"]
    assert len(found["rows"]) == 2


def test_who_cannot_be_done_in_time_is_left_out_before_it_runs(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 10 GMAC/s in float32, 600 GMAC take a minute; packed, 6 seconds."""
    found = result_of(lambda _: fine(), settings, monkeypatch, macs=600 * 10**9)
    assert [row["who"] for row in found["rows"]] == ["cpu"]
    assert {left["who"] for left in found["left_out"]} == {"torch-loop", "snntorch"}
    assert "at least 60 s" in found["left_out"][0]["reason"]


def test_a_part_that_takes_long_tells_how_long_the_whole_would(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(who: str) -> Entry:
        share = 0.01 if who == "torch-loop" else 1.0
        return Entry(lambda: None, lambda: time.sleep(0.02), share)

    found = result_of(build, replace(settings, longest=1.0), monkeypatch)
    (left,) = found["left_out"]
    assert left["who"] == "torch-loop"
    assert "would take about 2 s" in left["reason"]


def test_only_the_chosen_are_timed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    found = result_of(lambda _: fine(), replace(settings, who=("snntorch",)), monkeypatch)
    assert [row["who"] for row in found["rows"]] == ["snntorch"]
    assert found["left_out"] == []


def test_the_result_so_far_is_kept_after_every_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module.BENCHES, "draw", bench_of(lambda _: fine()))
    kept, told = [], []
    run(
        choose("draw", quick=True),
        keep=lambda result: kept.append((len(result["rows"]), result["complete"])),
        watch=lambda share, text: told.append((share, text)),
    )
    assert kept == [(0, False), (3, False), (6, False), (9, False), (9, True)]
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert told[-1] == (1.0, "done")
    assert any(text == "draw wide K=2: torch-loop" for _, text in told)


def test_threads_are_set_for_the_run_and_set_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, seen = torch.get_num_threads(), []

    def build(_who: str) -> Entry:
        return Entry(lambda: seen.append(torch.get_num_threads()), lambda: None)

    result_of(build, replace(settings, threads=before + 1), monkeypatch)
    assert set(seen) == {before + 1}
    assert torch.get_num_threads() == before


def test_the_sweeps_have_rows_and_lines() -> None:
    found = json.loads(json.dumps(run(choose("scaling", quick=True, who=["torch-fused-t"]))))
    assert len(found["rows"]) == 4 * 3
    assert [line["axis"] for line in found["lines"]] == ["k", "steps", "batch", "width"]
    row = found["rows"][0]
    assert (row["bench"], row["axis"], row["value"], row["k"]) == ("scaling", "k", 2, 2)
    assert found["lines"][0]["seconds_each"] > 0


def test_a_fresh_process_measures_memory_unless_it_is_quick(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple] = []

    def peak(group: Group, who: str, *, threads: int) -> int:
        asked.append((group.case, who, threads))
        return 12345

    monkeypatch.setattr(module, "peak_in_fresh_process", peak)
    found = result_of(lambda _: fine(), replace(settings, quick=False), monkeypatch)
    assert [row["peak_bytes"] for row in found["rows"]] == [12345] * 3
    assert asked[0] == ("wide", "cpu", settings.threads)


def test_memory_that_cannot_be_measured_is_said(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_args: object, **_options: object) -> int:
        raise ChildError("out of memory")

    monkeypatch.setattr(module, "peak_in_fresh_process", fails)
    found = result_of(lambda _: fine(), replace(settings, quick=False, who=("cpu",)), monkeypatch)
    assert found["rows"][0]["peak_bytes"] is None
    assert found["left_out"][0]["reason"] == "memory was not measured: out of memory"


def test_a_slow_first_time_is_forgiven(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It compiles, or the machine is busy: what counts is the second time."""
    times = iter([0.3, 0.0])
    entry = Entry(lambda: None, lambda: time.sleep(next(times)))
    asked = replace(settings, longest=0.2, who=("cpu",))
    found = result_of(lambda _: entry, asked, monkeypatch)
    assert [row["who"] for row in found["rows"]] == ["cpu"]
