"""Memory for large results, in large pages where the system has them.

An update of a network on maps asks for hundreds of megabytes and gives them back. The system then
hands them out again page by page, zeros written into each, which takes longer than a kernel needs
to fill them. Pages of 2 MiB make that some four times faster. Oracle: tests/ops/test_memory.py.
"""

import ctypes
import mmap
import sys
from functools import cache
from typing import Any

import torch
from torch import Tensor

LEAST = 4 << 20
"""Bytes of a tensor from which it pays off."""
_PAGE = 2 << 20


def empty(*shape: int) -> Tensor:
    """As `torch.empty`, float32 on the CPU."""
    found = torch.empty(shape, dtype=torch.float32)
    size = found.numel() * found.element_size()
    if size >= LEAST:
        _advise(found.data_ptr(), size)
    return found


def _advise(start: int, size: int) -> None:
    """Ask for large pages where whole ones lie; a system that has none says no, which is fine."""
    first = -(-start // _PAGE) * _PAGE
    room = (start + size) // _PAGE * _PAGE - first
    advise = _madvise()
    if advise is not None and room > 0:
        advise(first, room, mmap.MADV_HUGEPAGE)


@cache
def _madvise() -> Any:
    """The C library's `madvise`, or None where there are no large pages to ask for."""
    if not sys.platform.startswith("linux") or not hasattr(mmap, "MADV_HUGEPAGE"):
        return None
    advise = getattr(ctypes.CDLL(None), "madvise", None)
    if advise is not None:
        advise.argtypes, advise.restype = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int], None
    return advise
