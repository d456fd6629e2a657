"""Whether Triton can run on a device, and why not, in sentences.

Triton compiles for GPUs. Its interpreter runs the same kernels on the CPU, step by step and slowly,
if `TRITON_INTERPRET=1` is set before triton is first imported; the tests use it.
Oracle: tests/ops/test_triton.py.
"""

import importlib.util
import os

import torch

from bayesnn_spike.ops._dispatch import wanted


def refusals(device: torch.device | str) -> list[str]:
    """Return why Triton's kernels cannot run on tensors of this device; [] if they can.

    The interpreter is never chosen automatically: it runs where `only("triton")` asks for it.
    """
    device = torch.device(device)
    if importlib.util.find_spec("triton") is None:
        return ["triton is not installed"]
    if device.type == "cuda":
        return []
    if device.type != "cpu" or not interprets():
        return [f"needs tensors on a GPU, got {device}"]
    if wanted() != "triton":
        return ["its interpreter is for tests: ask for it with only('triton')"]
    return []


def interprets() -> bool:
    """Return whether kernels are interpreted on the CPU (TRITON_INTERPRET, as triton reads it)."""
    return os.environ.get("TRITON_INTERPRET", "").lower() in {"1", "true", "on"}
