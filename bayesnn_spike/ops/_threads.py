"""Run pieces of one kernel on several threads.

Kernels release the interpreter's lock, so ordinary threads run them side by side: those of
PyTorch's team where all of them are wanted, and otherwise, and in a process that was forked, those
of a pool of our own. The split of the work never changes a result.
Oracle: tests/ops/test_threads.py.
"""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import pairwise
from threading import get_ident
from typing import Any

import torch

from bayesnn_spike.ops._openmp import run_on_team, team_size

_pool: ThreadPoolExecutor | None = None
_size = 0


def threads() -> int:
    """Return how many threads kernels use: torch's number, or less if NUMBA_NUM_THREADS says so.

    Raises:
        ValueError: NUMBA_NUM_THREADS is not a positive integer.
    """
    return threads_of(torch.get_num_threads())


def threads_of(count: int) -> int:
    """Return how many threads kernels use where torch uses `count`; raises as `threads`."""
    named = os.environ.get("NUMBA_NUM_THREADS")
    if named is None:
        return count
    if not named.isdecimal() or int(named) < 1:
        raise ValueError(f"NUMBA_NUM_THREADS must be a positive integer, got {named!r}")
    return min(int(named), count)


def parallel(run: Callable[[int, int], Any], count: int, *, least: int = 1) -> None:
    """Call `run(start, stop)` for ranges that together are `range(count)`, on several threads.

    Args:
        run: a kernel on part of its work; ranges must not write to the same place.
        count: how many units of work there are.
        least: units in a range that are worth a thread.
    """
    workers = min(threads(), count // max(least, 1))
    if workers <= 1:
        if count:
            run(0, count)
        return
    # More ranges than threads: one slow range does not keep the others waiting.
    pieces = min(count // max(least, 1), 4 * workers)
    edges = [count * i // pieces for i in range(pieces + 1)]
    jobs = iter(list(pairwise(edges)))
    errors: list[BaseException] = []
    left: list[int] = []

    def work(_: object = None) -> None:
        try:
            # next() on a list iterator is atomic under the interpreter's lock.
            for start, stop in jobs:
                run(start, stop)
        except BaseException as error:
            # Raised below, when nobody writes any more.
            errors.append(error)
        left.append(get_ident())

    if workers == team_size():
        run_on_team(work, workers)
        if get_ident() not in left:
            # An interrupt before the first line of `work`: ctypes has printed it and gone on.
            work()
            errors.append(KeyboardInterrupt("while kernels ran"))
    else:
        futures = [_threads_of(workers - 1).submit(work) for _ in range(workers - 1)]
        try:
            work()
        finally:
            _join(futures, errors)
    if errors:
        raise errors[0]


def _join(futures: list[Future[None]], errors: list[BaseException]) -> None:
    """Wait for all, through any interrupt."""
    while not all(future.done() for future in futures):
        try:
            wait(futures)
        except BaseException as error:
            errors.append(error)


def _threads_of(size: int) -> ThreadPoolExecutor:
    global _pool, _size
    if _pool is None or size > _size:
        _pool, _size = ThreadPoolExecutor(size, thread_name_prefix="bayesnn-kernel"), size
    return _pool


def _forget() -> None:
    """After a fork the threads are gone: the child starts without a pool."""
    global _pool, _size
    _pool, _size = None, 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
