"""Run benches: check, time in turn, measure memory, and hold the result against the machine.

Nothing is timed that is not green: who disagrees with the reference gets a row with an `error` and
without seconds. Oracle: tests/bench/test_run.py.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import torch

from bayesnn_spike.bench import scaling
from bayesnn_spike.bench.child import ChildError, peak_in_fresh_process
from bayesnn_spike.bench.clock import Call, interleave
from bayesnn_spike.bench.group import Entry, Group
from bayesnn_spike.bench.machine import describe
from bayesnn_spike.bench.memory import peak_bytes
from bayesnn_spike.bench.roofline import Roofline, measure
from bayesnn_spike.bench.rows import error_row, rows_of
from bayesnn_spike.bench.settings import BENCHES, Settings
from bayesnn_spike.bench.who import ROOF, absence

Result = dict[str, Any]


def run(
    settings: Settings,
    *,
    watch: Callable[[float, str], object] = lambda _share, _text: None,
    keep: Callable[[Result], object] = lambda _: None,
) -> Result:
    """Run everything that was asked for.

    Args:
        settings: what, and how long.
        watch: is told the share that is done and what is being done.
        keep: takes the result so far after every job; it is whole JSON every time.

    Returns:
        machine (with its roofline), settings, rows, lines (fits of the sweeps), left_out (who was
        not timed, and why) and complete.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(settings.threads)
    try:
        return _run(settings, watch, keep)
    finally:
        torch.set_num_threads(before)


def _run(
    settings: Settings,
    watch: Callable[[float, str], object],
    keep: Callable[[Result], object],
) -> Result:
    watch(0.0, "the limits of the machine")
    roofline = measure(0.05 if settings.quick else 0.5, device=settings.device)
    machine = describe(threads=settings.threads, device=settings.device)
    result: Result = {
        "machine": {**machine, "roofline": roofline.as_dict()},
        "settings": settings.as_dict(),
        "rows": [],
        "lines": [],
        "left_out": [],
        "complete": False,
    }
    keep(result)  # a place that cannot be written is found at once
    jobs = deque(_groups(settings))
    count = len(jobs)
    total = count + (len(scaling.AXES) if settings.scaling else 0)
    for done in range(count):
        # What a job holds, its spikes and the reference's answers, goes with it.
        group = jobs.popleft()
        _run_group(group, settings, roofline, result, lambda t, d=done: watch(d / total, t))
        del group
        keep(result)
    for done, axis in enumerate(scaling.AXES if settings.scaling else (), start=count):
        _run_axis(axis, settings, result, lambda t, d=done: watch(d / total, t))
        keep(result)
    result["complete"] = True
    watch(1.0, "done")
    keep(result)
    return result


def _groups(settings: Settings) -> Iterator[Group]:
    for name in settings.benches:
        yield from BENCHES[name].groups(settings.chosen(name), settings.device)


def _run_group(
    group: Group,
    settings: Settings,
    roofline: Roofline,
    result: Result,
    said: Callable[[str], object],
) -> None:
    title = f"{group.bench} {group.case} K={group.k}"
    ready: dict[str, Entry] = {}
    for who in (w for w in group.who if w in settings.who):
        said(f"{title}: checking {who}")
        rate = getattr(roofline, ROOF[who])
        floor = group.macs / 1e9 / rate if group.macs and rate else 0.0
        _prepare(group, who, floor, settings, ready, result)
    timings = interleave(
        {who: entry.run for who, entry in ready.items()},
        budget=settings.budget,
        warm=False,
        settle=_settle(settings.device),
        said=lambda who: said(f"{title}: {who}"),
    )
    peaks = {}
    for who, entry in ready.items():
        said(f"{title}: memory of {who}")
        try:
            peaks[who] = _peak(group, who, entry, settings)
        except ChildError as error:
            peaks[who] = None
            reason = f"memory was not measured: {error}"
            result["left_out"].append({**group.place(who), "reason": reason})
    result["rows"] += rows_of(group, timings, peaks, roofline)


def _prepare(
    group: Group,
    who: str,
    floor: float,
    settings: Settings,
    ready: dict[str, Entry],
    result: Result,
) -> None:
    """Build, check and warm up one implementation; put it into `ready` or say why not."""

    def leave_out(reason: str) -> None:
        result["left_out"].append({**group.place(who), "reason": reason})

    reason = absence(who, settings.device)
    if reason:
        leave_out(reason)
        return
    if floor > settings.longest:
        leave_out(f"needs at least {floor:.0f} s for a run at this machine's rate")
        return
    try:
        entry = group.build(who)
        problem, expected = _check(entry)
        if problem is None and expected > settings.longest:
            # The first time may have compiled, or met a busy moment.
            problem, expected = _check(entry)
        if problem is None and expected > settings.longest:
            leave_out(f"would take about {expected:.0f} s for a run")
            return
        if problem is None:
            entry.run()
    except ImportError as error:
        leave_out(f"cannot be imported: {error}")
        return
    except Exception as error:  # whatever a foreign package or a lack of memory raises
        problem = f"{type(error).__name__}: {error}"
    if problem is None:
        ready[who] = entry
    else:
        result["rows"].append(error_row(group, who, problem))


def _check(entry: Entry) -> tuple[str | None, float]:
    """Return what is wrong, and how many seconds a run will take."""
    start = time.perf_counter()
    problem = entry.check()
    return problem, (time.perf_counter() - start) / entry.share


def _run_axis(axis: str, settings: Settings, result: Result, said: Callable[[str], object]) -> None:
    """Time all sizes of one axis in turn, and fit the lines."""
    groups = list(scaling.groups(axis, settings.device, quick=settings.quick))
    titles = [f"scaling {axis}={group.extra['value']}" for group in groups]
    calls: dict[tuple[int, str], Call] = {}
    for index, group in enumerate(groups):
        ready: dict[str, Entry] = {}
        for who in (w for w in group.who if w in settings.who):
            said(f"{titles[index]}: checking {who}")
            _prepare(group, who, 0.0, settings, ready, result)
        calls |= {(index, who): entry.run for who, entry in ready.items()}
    timings = interleave(
        calls,
        budget=settings.budget,
        warm=False,
        settle=_settle(settings.device),
        said=lambda key: said(f"{titles[key[0]]}: {key[1]}"),
    )
    for index, group in enumerate(groups):
        found = {who: timing for (i, who), timing in timings.items() if i == index}
        result["rows"] += rows_of(group, found, dict.fromkeys(found), None)
    for who in scaling.WHO:
        medians = {i: timing.median for (i, name), timing in timings.items() if name == who}
        if len(medians) > 2:
            values = [groups[i].extra["value"] for i in medians]
            a, b, deviation = scaling.straight_line(values, list(medians.values()))
            line = {"axis": axis, "who": who, "seconds_at_0": a, "seconds_each": b}
            result["lines"].append({**line, "deviation": deviation})


def _peak(group: Group, who: str, entry: Entry, settings: Settings) -> int | None:
    if settings.device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        entry.run()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    if settings.quick:
        return peak_bytes(entry.run)
    return peak_in_fresh_process(group, who, threads=settings.threads)


def _settle(device: str) -> Callable[[], object]:
    return torch.cuda.synchronize if device == "cuda" else lambda: None
