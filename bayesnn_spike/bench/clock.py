"""Time several calls in turn, A B A B, so that a busy machine slows all of them alike.

Every call is warmed up, then the calls take turns; in a turn a call runs for a slice of its budget,
at least once. The median of all its runs is the number, the 10 % and 90 % quantiles say how steady
it was. Oracle: tests/bench/test_clock.py.
"""

import gc
import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar, final

from bayesnn_spike.checks import require_positive

Call = Callable[[], object]
_Name = TypeVar("_Name", bound=Hashable)

TURNS = 5
"""Slices that a call's budget is cut into."""
LEAST = 3
"""Runs of every call, however long one takes."""


@final
@dataclass(frozen=True)
class Timing:
    """Seconds of one call.

    Attributes:
        median: of all runs.
        low: 10 % quantile.
        high: 90 % quantile.
        runs: how many there were.
    """

    median: float
    low: float
    high: float
    runs: int

    @staticmethod
    def of(seconds: list[float]) -> "Timing":
        """Summarise the runs of one call."""
        ordered = sorted(seconds)
        last = len(ordered) - 1
        low, high = ordered[round(0.1 * last)], ordered[round(0.9 * last)]
        return Timing(statistics.median(ordered), low, high, len(ordered))


def interleave(
    calls: Mapping[_Name, Call],
    *,
    budget: float,
    warm: bool = True,
    settle: Callable[[], object] = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
    said: Callable[[_Name], object] = lambda _: None,
) -> dict[_Name, Timing]:
    """Time the calls in turn.

    Args:
        calls: what to time, by name.
        budget: seconds of runs for each call; a slow one has `LEAST` runs and may take longer.
        warm: run every call once before; False if that was done.
        settle: waits until the work is done (an accelerator's queue); part of the time.
        clock: seconds now.
        said: is told the name of the call whose turn begins.

    Raises:
        ValueError: a budget that is not positive.
    """
    require_positive(budget, "budget")
    runs: dict[_Name, list[float]] = {name: [] for name in calls}

    def once(name: _Name) -> float:
        start = clock()
        calls[name]()
        settle()
        return clock() - start

    for name in calls if warm else ():
        said(name)
        once(name)  # compiles, allocates, starts threads
    gc.collect()
    gc.disable()  # what others left behind is collected in nobody's time
    try:
        waiting = list(calls)
        while waiting:
            for name in list(waiting):
                said(name)
                spent, found = 0.0, runs[name]
                while spent < budget / TURNS:
                    found.append(once(name))
                    spent += found[-1]
                if len(found) >= LEAST and sum(found) >= budget:
                    waiting.remove(name)
    finally:
        gc.enable()
    return {name: Timing.of(found) for name, found in runs.items()}
