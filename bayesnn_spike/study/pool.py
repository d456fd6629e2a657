"""Run cells on the cores of this machine, and keep what is finished.

With one worker the cells run in this process; with more, in fresh processes (spawn), each with
one torch thread, so the numbers do not depend on the number of workers. A cell that fails is
named with the file of its traceback, and the others go on. Ctrl-C stops the cells at their next
epoch; finished ones stay. Oracle: tests/study/test_pool.py.
"""

import multiprocessing
import os
import queue
import signal
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from typing import Any, final

from bayesnn_spike.io import atomic_write_text
from bayesnn_spike.study.cell import Work, run_cell
from bayesnn_spike.study.grid import Cell
from bayesnn_spike.study.progress import Progress


@final
@dataclass(frozen=True)
class Failure:
    """A cell that did not finish.

    Attributes:
        cell: its id.
        reason: the error in one line.
        file: the traceback, or None where the process died without one.
    """

    cell: str
    reason: str
    file: Path | None


class Stopped(Exception):
    """Raised inside a worker at the end of an epoch when the study is being stopped."""


def cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_cells(
    cells: Sequence[Cell], work: Work, *, workers: int, progress: Progress
) -> list[Failure]:
    """Run cells, `workers` at a time.

    Args:
        cells: the unfinished cells.
        work: where the data is and where the results go.
        workers: processes; 1 runs in this one.
        progress: is told of every epoch and every cell.

    Returns:
        The cells that failed, in the order in which they did.

    Raises:
        KeyboardInterrupt: after the workers have stopped; finished cells are complete on disk.
    """
    if not cells:
        return []
    progress.start(sum(cell.settings["recipe"]["epochs"] for cell in cells), len(cells))
    try:
        if workers == 1:
            return _run_here(cells, work, progress)
        return _run_pool(cells, work, min(workers, len(cells)), progress)
    finally:
        progress.stop()


def _run_here(cells: Iterable[Cell], work: Work, progress: Progress) -> list[Failure]:
    failures = []
    for cell in cells:
        failure = _attempt(cell, work, progress.epoch)
        progress.cell(cell.id, failed=failure is not None)
        failures += [failure] if failure else []
    return failures


def _run_pool(cells: Sequence[Cell], work: Work, workers: int, progress: Progress) -> list[Failure]:
    context = multiprocessing.get_context("spawn")
    epochs, stop = context.Queue(), context.Event()
    failures: list[Failure] = []
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start_worker, initargs=(epochs, stop)
    ) as pool:
        running = {pool.submit(_attempt_in_worker, cell, work): cell for cell in cells}
        try:
            while running:
                done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                _drain(epochs, progress)
                for future in done:
                    cell = running.pop(future)
                    failure = _outcome(future, cell)
                    progress.cell(cell.id, failed=failure is not None)
                    failures += [failure] if failure else []
        except KeyboardInterrupt:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return failures


def _outcome(future: Future, cell: Cell) -> Failure | None:
    try:
        return future.result()
    except BrokenProcessPool:
        reason = "a worker process died (killed, or out of memory); this cell was not finished"
        return Failure(cell.id, reason, None)


def _attempt(cell: Cell, work: Work, on_epoch: Callable[[], None]) -> Failure | None:
    """Run one cell; turn an error into a Failure with its traceback in the cell's folder."""
    try:
        run_cell(cell, work, on_epoch=on_epoch)
    except Stopped:
        return Failure(cell.id, "stopped", None)
    except Exception as error:  # every failure is reported by name; the other cells go on
        file = work.folder(cell) / "error.txt"
        atomic_write_text(file, traceback.format_exc())
        first = (str(error).splitlines() or [""])[0]
        return Failure(cell.id, f"{type(error).__name__}: {first}", file)
    return None


# What follows runs inside the worker processes. A worker is a process of its own, so its two
# handles from the parent may be module variables: nothing else can share them.
_worker: dict[str, Any] = {}


def _start_worker(epochs: Any, stop: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which sets `stop`
    _worker.update(epochs=epochs, stop=stop)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """End this worker when the parent is gone, also by SIGKILL; it would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _attempt_in_worker(cell: Cell, work: Work) -> Failure | None:
    return _attempt(cell, work, _epoch_in_worker)


def _epoch_in_worker() -> None:
    _worker["epochs"].put(1)
    if _worker["stop"].is_set():
        raise Stopped


def _drain(epochs: Any, progress: Progress) -> None:
    while True:
        try:
            epochs.get_nowait()
        except queue.Empty:
            return
        progress.epoch()
