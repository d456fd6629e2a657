"""Whether Triton can run on a device, and why not, in sentences.

Triton compiles for GPUs. Its interpreter runs the same kernels on the CPU, step by step and slowly,
if `TRITON_INTERPRET=1` is set before triton is first imported; the tests use it.
Oracle: tests/ops/test_triton.py.
"""

import importlib.util
import os
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch

from bayesnn_spike.ops._dispatch import Implementation, Op, from_module, never, wanted


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


def from_triton(module: str, name: str) -> Callable[[], Callable[..., Any]]:
    """As `from_module`; what is loaded launches on the device of its tensors."""
    load = from_module(module, name)
    return lambda: on_its_device(load())


def op_of(
    run: Callable[..., Any],
    package: str,
    *,
    cpu_refuses: Callable[..., list[str]],
    triton_refuses: Callable[..., list[str]],
) -> Op:
    """Return the operation of a reference whose kernels have its name.

    Args:
        run: the reference.
        package: holds the modules `cpu` and `triton`.
        cpu_refuses, triton_refuses: of the two implementations.
    """
    name = run.__name__
    return Op(
        name,
        (
            Implementation("triton", from_triton(f"{package}.triton", name), triton_refuses),
            Implementation("cpu", from_module(f"{package}.cpu", name), cpu_refuses),
            Implementation("reference", lambda: run, never),
        ),
    )


def on_its_device(run: Callable[..., Any]) -> Callable[..., Any]:
    """Return `run`, launching on the device of its first argument, or on the one it names."""

    def call(target: Any, *args: Any, **options: Any) -> Any:
        device = torch.device(options.get("device") or target.device)
        with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
            return run(target, *args, **options)

    return call


def interprets() -> bool:
    """Return whether kernels are interpreted on the CPU (TRITON_INTERPRET, as triton reads it)."""
    return os.environ.get("TRITON_INTERPRET", "").lower() in {"1", "true", "on"}
