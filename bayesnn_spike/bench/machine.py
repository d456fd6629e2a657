"""What a table of timings is worth nothing without: the machine it was made on.

Oracle: tests/bench/test_machine.py.
"""

import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import Any

import torch

_EXTENSIONS = (
    *("avx", "avx2", "avx512f", "avx512bw", "avx512_vpopcntdq", "avx512_bf16", "avx512_bitalg"),
    *("amx_bf16", "amx_int8", "asimd", "bf16", "sve"),
)
_PACKAGES = ("torch", "numpy", "numba", "llvmlite", "triton", "snntorch", "spikingjelly")


def describe(*, threads: int, device: str = "cpu") -> dict[str, Any]:
    """Return processor, cores, threads, vector extensions, accelerator and versions."""
    from bayesnn_spike import __version__

    text = _cpuinfo()
    return {
        "cpu": _field(text, "model name") or platform.processor() or platform.machine(),
        "cores": cores(),
        "threads": threads,
        "vectors": extensions(text),
        "torch_vectors": torch.backends.cpu.get_cpu_capability(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "device": device,
        "system": platform.platform(),
        "python": platform.python_version(),
        "bayesnn_spike": __version__,
        "versions": {name: version(name) for name in _PACKAGES},
    }


def cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def extensions(text: str) -> list[str]:
    """Return those vector extensions of /proc/cpuinfo that decide how fast the kernels run."""
    flags = set(_field(text, "flags").split()) | set(_field(text, "Features").split())
    return [name for name in _EXTENSIONS if name in flags]


def version(package: str) -> str | None:
    """Return the version of an installed package, or None; nothing is imported."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux
        return ""


def _field(text: str, name: str) -> str:
    found = re.search(rf"^{name}\s*:\s*(.*)$", text, re.M)
    return found.group(1).strip() if found else ""
