"""Turns, budgets and quantiles, on a clock that the test moves."""

import gc

import pytest

from bayesnn_spike.bench.clock import LEAST, TURNS, Timing, interleave


class Bench:
    """Calls that take the seconds they are told, and note their order."""

    def __init__(self, **seconds: float) -> None:
        self.now, self.order = 0.0, []
        self.calls = {name: self._call(name, took) for name, took in seconds.items()}

    def _call(self, name: str, took: float):
        def call() -> None:
            self.order.append(name)
            self.now += took

        return call

    def run(self, budget: float, **options) -> dict[str, Timing]:
        return interleave(self.calls, budget=budget, clock=lambda: self.now, **options)


def test_calls_take_turns() -> None:
    bench = Bench(a=1.0, b=1.0)
    timings = bench.run(budget=5.0)
    assert bench.order == ["a", "b"] + ["a", "b"] * TURNS
    assert timings["a"] == Timing(1.0, 1.0, 1.0, TURNS)


def test_a_quick_call_runs_as_long_as_a_slow_one() -> None:
    bench = Bench(quick=0.125, slow=1.0)
    timings = bench.run(budget=5.0)
    assert timings["quick"].runs == 8 * TURNS
    assert timings["slow"].runs == TURNS
    assert bench.order[2:11] == ["quick"] * 8 + ["slow"]


def test_a_call_longer_than_its_budget_still_has_runs_enough() -> None:
    assert Bench(a=100.0).run(budget=5.0)["a"].runs == LEAST


def test_the_first_run_is_not_counted() -> None:
    bench = Bench(a=1.0)
    seconds = iter([50.0] + [1.0] * TURNS)

    def call() -> None:
        bench.now += next(seconds)

    bench.calls["a"] = call
    assert bench.run(budget=5.0)["a"].high == 1.0


def test_calls_that_are_warm_run_no_more_than_counted() -> None:
    bench = Bench(a=1.0)
    assert bench.run(budget=5.0, warm=False)["a"].runs == len(bench.order) == TURNS


def test_waiting_for_the_accelerator_is_part_of_the_time() -> None:
    bench = Bench(a=1.0)

    def settle() -> None:
        bench.now += 2.0

    assert bench.run(budget=5.0, settle=settle)["a"].median == 3.0


def test_whose_turn_it_is_is_told() -> None:
    told = []
    Bench(a=1.0, b=5.0).run(budget=2.0, said=told.append)
    assert told[:4] == ["a", "b", "a", "b"]


def test_quantiles_leave_the_outliers_out() -> None:
    timing = Timing.of([*range(1, 12), 1000.0, 0.0001][::-1])
    assert (timing.median, timing.low, timing.high, timing.runs) == (6, 1, 11, 13)
    assert Timing.of([2.0]) == Timing(2.0, 2.0, 2.0, 1)


def test_the_collector_works_again_after_a_call_that_fails() -> None:
    def fails() -> None:
        if not gc.isenabled():
            raise OSError("no")

    with pytest.raises(OSError, match="no"):
        interleave({"a": fails}, budget=1.0)
    assert gc.isenabled()


def test_a_budget_must_be_positive() -> None:
    with pytest.raises(ValueError, match="budget must be positive"):
        interleave({}, budget=0.0)
