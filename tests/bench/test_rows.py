"""Rates, ratios and shares of a row, by hand."""

from dataclasses import replace

import pytest

from bayesnn_spike.bench.clock import Timing
from bayesnn_spike.bench.group import Entry, Group
from bayesnn_spike.bench.roofline import Roofline
from bayesnn_spike.bench.rows import error_row, rows_of

ROOF = Roofline(popcount=200.0, gemm_fp32=20.0, gemm_bf16=40.0, copy=8.0)


def nobody(_who: str) -> Entry:
    raise AssertionError("nobody is built here")


GROUP = Group(
    "forward", "some", 4, ("cpu",), nobody, item="multiply-add", items=2 * 10**9, macs=2 * 10**9
)


def timing(seconds: float) -> Timing:
    return Timing(seconds, 0.9 * seconds, 1.1 * seconds, 5)


def rows(group: Group = GROUP, roofline: Roofline | None = ROOF, **seconds: float) -> dict:
    timings = {who.replace("_", "-"): timing(s) for who, s in seconds.items()}
    peaks = dict.fromkeys(timings, 7)
    return {row["who"]: row for row in rows_of(group, timings, peaks, roofline)}


def test_a_row_by_hand() -> None:
    found = rows(cpu=0.02, torch_loop=0.4, snntorch=0.2, torch_batched_bf16=0.1)
    assert found["cpu"] == {
        "bench": "forward",
        "case": "some",
        "k": 4,
        "who": "cpu",
        "seconds": 0.02,
        "low": 0.9 * 0.02,
        "high": 1.1 * 0.02,
        "runs": 5,
        "gmac_per_s": 100.0,
        "peak_bytes": 7,
        "ratio": 10.0,
        "ratio_bf16": 5.0,
        "share_of_roofline": 0.5,
        "item": "multiply-add",
        "items": 2 * 10**9,
        "ns_per_item": pytest.approx(0.01),
    }


def test_everyone_is_held_against_the_limit_of_its_own_arithmetic() -> None:
    found = rows(torch_loop=0.4, torch_batched_bf16=0.1, reference=1.0)
    assert found["torch-loop"]["share_of_roofline"] == pytest.approx(5 / 20)
    assert found["torch-batched-bf16"]["share_of_roofline"] == pytest.approx(20 / 40)
    assert found["reference"]["share_of_roofline"] == pytest.approx(2 / 20)
    assert found["torch-loop"]["ratio"] == 1.0


def test_without_a_baseline_there_is_no_ratio() -> None:
    found = rows(cpu=0.1, reference=1.0)["cpu"]
    assert found["ratio"] is None
    assert found["ratio_bf16"] is None


def test_a_job_that_moves_memory_is_held_against_copying() -> None:
    group = replace(GROUP, macs=None, moved=4 * 10**8)
    found = rows(group, cpu=0.1)["cpu"]
    assert found["gmac_per_s"] is None
    assert found["share_of_roofline"] == pytest.approx(4 / 8)


def test_no_limit_no_share() -> None:
    assert rows(replace(GROUP, macs=None), cpu=0.1)["cpu"]["share_of_roofline"] is None
    assert rows(roofline=None, cpu=0.1)["cpu"]["share_of_roofline"] is None
    without = replace(ROOF, popcount=None)
    assert rows(roofline=without, cpu=0.1)["cpu"]["share_of_roofline"] is None


def test_an_error_has_no_seconds() -> None:
    group = replace(GROUP, extra={"axis": "k"})
    assert error_row(group, "cpu", "wrong") == {
        "bench": "forward",
        "case": "some",
        "k": 4,
        "who": "cpu",
        "axis": "k",
        "error": "wrong",
    }
