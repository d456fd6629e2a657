"""Compile a kernel with numba: cached on disk where a folder can be written, announced once.

Kernels release the interpreter's lock, contract no multiply-add (every float is the reference's
float) and check no bounds. Oracle: tests/ops/test_compile.py.
"""

import hashlib
import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import event
from numba.core.caching import IndexDataCacheFile

_log = logging.getLogger("bayesnn_spike")


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile on first use; the machine code is kept beside the source or in the user's cache.

    Where neither can be written, it is compiled anew in every process. `NUMBA_CACHE_DIR` names
    another folder.
    """
    # numpy's error model: a division that may raise would keep loops from being vectorised.
    options = {"nogil": True, "fastmath": False, "boundscheck": False, "error_model": "numpy"}
    try:
        compiled = numba.njit(cache=True, **options)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return numba.njit(**options)(function)
    # numba asks only whether the kernel's own file changed, and reads an index before it asks. What
    # a kernel inlines from other files counts as well: their digest is part of the cache's name.
    found, digest = compiled._cache, _stamp()
    found._cache_file = IndexDataCacheFile(
        cache_path=found._cache_path,
        filename_base=f"{found._impl.filename_base}-{digest[:16]}",
        source_stamp=digest,
    )
    return compiled


@cache
def _stamp() -> str:
    """A digest of all sources of `ops`: what was compiled from others is not used."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


class _Announcement(event.Listener):
    """Say once in a process that compiling takes its time; nothing is said of loaded code."""

    said = False

    def on_start(self, event: Any) -> None:
        name = event.data["dispatcher"].py_func.__module__
        if not _Announcement.said and name.startswith("bayesnn_spike."):
            _Announcement.said = True
            _log.warning(
                "compiling kernels for this machine; this happens once and takes some seconds"
            )

    def on_end(self, event: Any) -> None:
        """Nothing to say: the work goes on."""


event.register("numba:compile", _Announcement())
