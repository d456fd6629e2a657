"""The limits of the machine: rates of the right size, the best run, and a machine without numba."""

import importlib.util
import time

import pytest

from bayesnn_spike.bench import roofline
from bayesnn_spike.bench.roofline import best, measure


def test_the_shortest_run_counts_and_the_first_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    lengths = iter([0.01, 3.0, 2.0, 5.0, 1.0])
    assert best(lambda: now.__setitem__(0, now[0] + next(lengths)), 10.5) == 1.0


def test_one_run_is_enough_for_a_slow_call(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    assert best(lambda: now.__setitem__(0, now[0] + 4.0), 1.0) == 4.0


def test_all_rates_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roofline, "COPIED", 2**20)
    monkeypatch.setattr(roofline, "SIDES", (32, 128))
    rates = measure(0.05).as_dict()
    # A bit is a multiply-add, so packed words beat floats on every machine.
    assert rates["popcount_gmac_per_s"] > rates["gemm_fp32_gmac_per_s"] > 0.1
    assert rates["gemm_bf16_gmac_per_s"] > 0
    assert rates["copy_gb_per_s"] > 0.1


def test_without_numba_there_is_no_packed_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "numba" else find(name)
    )
    assert roofline._popcount(0.01) is None
