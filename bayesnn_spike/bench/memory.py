"""The memory that one call needs on top of what lies there before it.

The call runs twice. After the first run (which compiles, starts threads and allocates what stays)
the free pages go back to the system and the high-water mark is set to the present; the second run
then shows what it takes at its peak: results, scratch, everything but inputs and the program.
Oracle: tests/bench/test_memory.py.
"""

import ctypes
import resource
import sys
from collections.abc import Callable
from pathlib import Path

_PROC = Path("/proc/self")


def peak_bytes(call: Callable[[], object]) -> int:
    """Return the growth of the resident set at the peak of a second run of `call`, in bytes.

    Without /proc (not Linux) it is the growth of the process's maximum over the first run, which
    also counts what compiling took; call it in a fresh process.
    """
    if not _can_reset():
        before = _maximum()
        call()
        return max(_maximum() - before, 0)
    call()
    _trim()
    _reset()
    before = _status("VmRSS")
    kept = call()  # the result counts, so it must not be freed before the mark is read
    peak = _status("VmHWM")
    del kept
    return max(peak - before, 0)


def _can_reset() -> bool:
    try:
        _reset()
    except OSError:
        return False
    return True


def _reset() -> None:
    """Set the high-water mark of the resident set to its present size (proc(5), clear_refs)."""
    (_PROC / "clear_refs").write_text("5")


def _status(key: str) -> int:
    for line in (_PROC / "status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{_PROC / 'status'} has no {key}")


def _trim() -> None:
    """Give the allocator's free pages back, where the C library can (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _maximum() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
