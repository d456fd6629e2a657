"""ops/_openmp: PyTorch's own team, all of it, and none where it cannot be reached."""

import multiprocessing
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bayesnn_spike.ops import _openmp
from bayesnn_spike.ops._openmp import run_on_team, team_size
from bayesnn_spike.ops._threads import parallel

LIMIT = 60  # seconds
MAPS = "7f00-7f01 r-xp 00000000 fe:00 12                    {}\n"
HOME = Path(torch.__file__).resolve().parent


@pytest.fixture(autouse=True)
def entry() -> Iterator[None]:
    yield
    torch.set_num_threads(1)
    _openmp._entry.cache_clear()


def maps(monkeypatch: pytest.MonkeyPatch, *paths: Path) -> None:
    text = "".join(MAPS.format(path) for path in paths)
    monkeypatch.setattr(Path, "read_text", lambda *_: text)


def test_the_team_is_as_large_as_torch_says() -> None:
    reachable = _openmp._entry() is not None
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        assert team_size() == (count if reachable else 0)


def test_every_thread_of_the_team_works_once() -> None:
    torch.set_num_threads(3)
    size = team_size() or pytest.fail("PyTorch's wheels for Linux bring a team")
    meet, threads = threading.Barrier(size), []

    def work(_: object) -> None:
        meet.wait(LIMIT)
        threads.append(threading.get_ident())

    run_on_team(work, size)
    run_on_team(work, size)
    assert len(threads) == 2 * size
    assert len(set(threads)) == size, "the second call found other threads"
    assert threads.count(threading.get_ident()) == 2


def test_work_inside_work_is_done() -> None:
    """A kernel that is called from a range finds the team busy, and does its own work."""
    torch.set_num_threads(2)
    done = []
    parallel(lambda *outer: parallel(lambda *inner: done.append((outer, inner)), 2), 2)
    assert sum(inner[1] - inner[0] for _, inner in done) == 4


def test_torch_s_own_library_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = HOME / "lib" / "libgomp.so.1", Path("/usr/lib/libgomp.so.1")
    maps(monkeypatch, other, own, own)
    assert _openmp._library() == own
    beside = HOME.with_name("torch.libs") / "libgomp-24e2ab19.so.1"
    maps(monkeypatch, beside, other)
    assert _openmp._library() == beside


def test_the_only_library_is_taken_and_of_several_strangers_none(monkeypatch) -> None:
    one, two = Path("/usr/lib/libgomp.so.1"), Path("/usr/lib/a folder/libgomp-3.so")
    maps(monkeypatch, two)
    assert _openmp._library() == two
    maps(monkeypatch, one, two)
    assert _openmp._library() is None
    maps(monkeypatch)
    assert _openmp._library() is None


def test_no_library_is_no_team(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    _openmp._entry.cache_clear()
    torch.set_num_threads(3)
    assert team_size() == 0
    ranges: list[tuple[int, int]] = []
    parallel(lambda *r: ranges.append(r), 30)
    assert sum(stop - start for start, stop in ranges) == 30


def tell(end) -> None:
    end.send(team_size())
    end.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_has_no_team() -> None:
    torch.set_num_threads(2)
    parallel(lambda *_: None, 10)
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe()
    child = context.Process(target=tell, args=(theirs,))
    child.start()
    assert mine.poll(LIMIT)
    assert mine.recv() == 0
    child.join(LIMIT)
    assert child.exitcode == 0
