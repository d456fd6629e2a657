"""ops/_threads: how many there are, that they cover the work once, errors, and forks."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from bayesnn_spike.ops import _threads, only
from bayesnn_spike.ops._openmp import team_size
from bayesnn_spike.ops._threads import parallel, threads
from bayesnn_spike.ops.draw import draw_words
from bayesnn_spike.ops.draw.signs import Packed
from bayesnn_spike.ops.synapse import signed_cpu, signed_linear
from bayesnn_spike.rng import Stream
from tests.ops import packed

assert signed_cpu  # numba reads its variables when it is first imported: before these tests set one
LIMIT = 60  # seconds; a child that hangs is ended
CASE = packed.problem(300, 130, k=2, t=5, b=7)
SIGNS, LOGITS = Packed.of(CASE.weight), torch.zeros(64, 640)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    yield
    torch.set_num_threads(1)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_kernels_use_as_many_threads_as_torch(count: int) -> None:
    torch.set_num_threads(count)
    assert threads() == count


@pytest.mark.parametrize(("named", "count"), [("1", 1), ("2", 2), ("3", 3), ("64", 3)])
def test_numba_s_variable_lowers_the_number(named: str, count: int, monkeypatch) -> None:
    torch.set_num_threads(3)
    monkeypatch.setenv("NUMBA_NUM_THREADS", named)
    assert threads() == count


@pytest.mark.parametrize("named", ["0", "-1", "two", "1.5", "", " "])
def test_a_number_that_is_none_is_refused(named: str, monkeypatch) -> None:
    monkeypatch.setenv("NUMBA_NUM_THREADS", named)
    message = f"NUMBA_NUM_THREADS must be a positive integer, got {named!r}"
    with pytest.raises(ValueError, match=message):
        threads()
    with only("cpu"), pytest.raises(ValueError, match=message):
        draw_words(torch.zeros(3, 4), stream=Stream(0))


@pytest.mark.parametrize("least", [1, 3, 100])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 64, 1001])
@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_ranges_cover_the_work_once(workers: int, count: int, least: int) -> None:
    torch.set_num_threads(workers)
    ranges = []
    parallel(lambda i, j: ranges.append((i, j)), count, least=least)
    ranges.sort()
    units = [unit for start, stop in ranges for unit in range(start, stop)]
    assert units == list(range(count))
    assert all(start < stop for start, stop in ranges)
    if len(ranges) > 1:
        assert min(stop - start for start, stop in ranges) >= least
        assert len(ranges) <= 4 * workers


@pytest.mark.parametrize("count", [3, 2])
def test_threads_work_side_by_side(count: int) -> None:
    """Every range waits for the others: one thread would wait for ever.

    Three ranges are for PyTorch's team of three, two for the pool.
    """
    torch.set_num_threads(3)
    meet, names = threading.Barrier(count), {}

    def run(start: int, stop: int) -> None:
        names[threading.get_ident()] = threading.current_thread().name
        meet.wait(LIMIT)

    parallel(run, count)
    assert len(names) == count
    assert threading.get_ident() in names
    pooled = sum(name.startswith("bayesnn-kernel") for name in names.values())
    assert pooled == (0 if count == team_size() else count - 1)


def test_one_thread_is_the_caller_s() -> None:
    torch.set_num_threads(1)
    names = []
    parallel(lambda i, j: names.append((threading.current_thread(), i, j)), 10)
    assert names == [(threading.current_thread(), 0, 10)]


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("bad", [0, 5, 11])
def test_what_a_range_raises_is_raised(workers: int, bad: int) -> None:
    torch.set_num_threads(workers)
    running = []

    def run(start: int, stop: int) -> None:
        running.append(1)
        time.sleep(0.001)
        running.pop()
        if start <= bad < stop:
            raise KeyError(bad)

    with pytest.raises(KeyError, match=str(bad)):
        parallel(run, 12)
    assert running == []  # nobody still writes when the error arrives
    parallel(lambda *_: None, 12)


def test_an_error_of_another_thread_is_raised() -> None:
    torch.set_num_threads(2)
    caller, meet = threading.current_thread(), threading.Barrier(2)

    def run(start: int, stop: int) -> None:
        meet.wait(LIMIT)
        if threading.current_thread() is not caller:
            raise KeyError("elsewhere")

    with pytest.raises(KeyError, match="elsewhere"):
        parallel(run, 2)


class Alarm(BaseException):
    """What a signal raises."""


def ring(*_: object) -> None:
    raise Alarm


# What ctypes cannot raise it prints; `parallel` raises in its place.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("count", [1, 2])
def test_no_interrupt_is_lost_and_nobody_writes_after_it(count: int) -> None:
    """Two threads are the team where there is one; an interrupt may hit before its first line."""
    torch.set_num_threads(count)
    before, running = signal.signal(signal.SIGALRM, ring), {}

    def run(start: int, stop: int) -> None:
        running[threading.get_ident()] = True
        sum(range(2000))
        running[threading.get_ident()] = False

    def until_interrupted() -> None:
        while True:
            parallel(run, 8)

    try:
        for turn in range(60):
            signal.setitimer(signal.ITIMER_REAL, 0.002 + 1e-5 * turn)
            with pytest.raises((Alarm, KeyboardInterrupt)):
                until_interrupted()
            running.pop(threading.get_ident(), None)
            assert not any(running.values())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_an_interrupt_of_the_wait_waits_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool's threads are done before the error is raised."""
    torch.set_num_threads(3)
    monkeypatch.setattr(_threads, "team_size", lambda: 0)
    finished, real = [], _threads.wait

    def interrupted(futures: list) -> None:
        monkeypatch.setattr(_threads, "wait", real)
        raise KeyboardInterrupt

    def run(start: int, stop: int) -> None:
        if threading.current_thread() is not caller:
            time.sleep(0.05)
        finished.append(start)

    caller = threading.current_thread()
    monkeypatch.setattr(_threads, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        parallel(run, 3)
    assert sorted(finished) == [0, 1, 2]


def test_callers_of_several_threads_share_the_pool() -> None:
    expected = packed.linear(CASE.spikes, CASE.weight).float()
    found = []

    def ask() -> None:
        torch.set_num_threads(3)
        found.extend(signed_linear(CASE.spikes, SIGNS) for _ in range(5))

    callers = [threading.Thread(target=ask) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(LIMIT)
    assert len(found) == 20
    assert all(torch.equal(one, expected) for one in found)


def kernels() -> list[int]:
    """Numbers that a few kernels give.

    In a child that was forked torch's own operations hang from some 32,768 elements on if it is
    to use several threads; so nothing else than kernels does any work here.
    """
    currents = signed_linear(CASE.spikes, SIGNS).numpy()
    words = draw_words(LOGITS, stream=Stream(1), draws=2).numpy()
    return [int(currents.sum()), int((currents**2).sum()), int(words.sum())]


def tell(end) -> None:
    end.send((kernels(), _threads._pool is not None))
    end.close()


class Recordings(Dataset):
    """Examples that kernels make."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> tuple[list[int], int]:
        return kernels(), os.getpid()


# Python 3.12 and torch warn of forks with threads; that they end well is what is tested.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("generations", [1, 2])
def test_a_forked_child_makes_threads_of_its_own(generations: int) -> None:
    """The parent's kernels run on PyTorch's team, where there is one."""
    torch.set_num_threads(3)
    expected = kernels()
    context = multiprocessing.get_context("fork")
    for _ in range(generations):
        mine, theirs = context.Pipe()
        child = context.Process(target=tell, args=(theirs,))
        child.start()
        theirs.close()
        answered = mine.poll(LIMIT)
        found = mine.recv() if answered else None
        child.join(LIMIT if answered else 0)
        hanging = child.is_alive()
        if hanging:
            child.kill()
            child.join()
        assert answered, "the child hangs in its kernels"
        assert not hanging, "the child hangs at its end"
        assert child.exitcode == 0
        assert found == (expected, True)
    assert kernels() == expected


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_workers_of_a_data_loader_run_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    # A loader's workers set torch's own number to one.
    monkeypatch.setattr(_threads, "threads", lambda: 3)
    torch.set_num_threads(3)
    expected = kernels()
    loader = DataLoader(
        Recordings(),
        batch_size=None,
        num_workers=2,
        timeout=LIMIT,
        multiprocessing_context="fork",
    )
    found = list(loader)
    assert [values for values, _ in found] == [expected] * 4
    assert os.getpid() not in {process for _, process in found}
