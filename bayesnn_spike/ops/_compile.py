"""Compile a kernel with numba: cached on disk where a folder can be written, announced once.

Kernels release the interpreter's lock, contract no multiply-add (every float is the reference's
float) and check no bounds. Oracle: tests/ops/test_compile.py.
"""

import hashlib
import logging
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import event
from numba.core.caching import FunctionCache, IndexDataCacheFile

_KEPT = 7 * 24 * 3600
"""Seconds that machine code of other sources is kept: of a branch that somebody comes back to."""
_log = logging.getLogger("bayesnn_spike")


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile on first use; the machine code is kept beside the source or in the user's cache.

    Where neither can be written, it is compiled anew in every process. `NUMBA_CACHE_DIR` names
    another folder.

    Raises:
        RuntimeError: NUMBA_DISABLE_JIT is set.
    """
    if numba.config.DISABLE_JIT:
        raise RuntimeError(
            "NUMBA_DISABLE_JIT is set, and kernels of vector instructions exist only compiled: "
            "unset it, or take the reference with bayesnn_spike.ops.only('reference')"
        )
    # numpy's error model: a division that may raise would keep loops from being vectorised.
    compiled = numba.njit(nogil=True, fastmath=False, boundscheck=False, error_model="numpy")(
        function
    )
    try:
        compiled._cache = _Cache(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
    return compiled


class _Cache(FunctionCache):
    """numba's cache of a kernel, named after all sources; to keep nothing is no error."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        # numba asks only whether the kernel's own file changed, and reads an index before it asks.
        # What a kernel inlines from other files counts as well.
        self._cache_file = _File(
            cache_path=self._cache_path,
            filename_base=f"{self._impl.filename_base}-{_stamp()[:16]}",
            source_stamp=self._cache_file._source_stamp,
        )

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
            self._prune()
        except OSError as error:
            _log.warning("a compiled kernel cannot be kept in %s: %s", self._cache_path, error)

    def _prune(self) -> None:
        """Delete this kernel's code of other sources that nobody has compiled for a week."""
        oldest = time.time() - _KEPT
        for path in Path(self._cache_path).glob(f"{self._impl.filename_base}-*.nb?"):
            if _stamp()[:16] not in path.name and path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)


class _File(IndexDataCacheFile):
    """Machine code on disk, for processes that compile side by side.

    numba numbers its files, so that two processes that compile two signatures of a kernel at once
    may write to one, and a third then loads the one for the other. Here the number is made from
    the signature, and code is there before the index says so.
    """

    def save(self, key: Any, data: Any) -> None:
        name = self._data_name(int(hashlib.sha256(repr(key).encode()).hexdigest()[:15], 16))
        self._save_data(name, data)
        overloads = self._load_index()
        overloads[key] = name
        self._save_index(overloads)


@cache
def _stamp() -> str:
    """A digest of the sources of `ops`: what was compiled from others is not used."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        if path.name != "triton.py":
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
