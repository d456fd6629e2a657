"""Run a function on the team of threads that PyTorch's own operations use.

After each parallel operation of PyTorch the team spins for some milliseconds, waiting for the next
one. Threads of our own would share the processor with it; the team's are awake already. It is
reached through `GOMP_parallel`, the entry of GNU's OpenMP library that PyTorch has loaded.
Oracle: tests/ops/test_openmp.py.
"""

import ctypes
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch

_Body = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_inherited = False


def team_size() -> int:
    """Return how many threads PyTorch's team has here; 0 where it cannot be reached.

    A process that was forked gets 0: its parent's team did not come along, and waiting for it
    would last for ever.
    """
    return 0 if _inherited or _entry() is None else torch.get_num_threads()


def run_on_team(work: Callable[..., None], size: int) -> None:
    """Call `work(None)` once on each of `size` threads; returns when all are done.

    Args:
        work: must not raise.
        size: `team_size()`. Another number would end threads of the team, and start them again.
    """
    # The function must outlive its last call: this frame holds it.
    body = _Body(work)
    _entry()(body, None, size, 0)


@cache
def _entry() -> Any:
    """Return `GOMP_parallel` of the library that PyTorch has loaded, or None."""
    path = _library()
    if path is None or "backend: OpenMP" not in torch.__config__.parallel_info():
        return None
    entry = getattr(ctypes.CDLL(str(path)), "GOMP_parallel", None)
    if entry is not None:
        entry.argtypes, entry.restype = [_Body, ctypes.c_void_p, *[ctypes.c_uint] * 2], None
    return entry


def _library() -> Path | None:
    """The OpenMP library in PyTorch's own folder, or else the only one of this process."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return None
    loaded = {Path(line.split(maxsplit=5)[5]) for line in lines if "libgomp" in line}
    home = Path(torch.__file__).resolve().parent
    own = {path for path in loaded if {home, home.with_name("torch.libs")} & set(path.parents)}
    found = own or loaded
    return found.pop() if len(found) == 1 else None


def _forget() -> None:
    global _inherited
    _inherited = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
