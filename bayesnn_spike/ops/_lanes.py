"""Time at any axis: a tensor as `[L, T, R]` (before, time, after), in blocks for the threads.

Neurons do not know each other over time, so a kernel takes a block of them through all steps: what
it carries stays in the nearest cache. Oracle: tests/ops/test_lanes.py.
"""

import importlib.util
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bayesnn_spike.ops._threads import parallel

# Five float32 rows of a block fit in the first-level cache.
BLOCK = 1024
# Updates of one neuron that are worth handing to a thread (about 0.2 ms).
LEAST = 1 << 18


def require_steps(tensor: Tensor, time_dim: int, name: str) -> None:
    """Raise ValueError unless there is an axis of time with a step in it."""
    if not -tensor.ndim <= time_dim < tensor.ndim:
        raise ValueError(
            f"{name} of shape {tuple(tensor.shape)} has no axis {time_dim} (time_dim); "
            f"it must lie in [{-tensor.ndim}, {tensor.ndim - 1}]"
        )
    if tensor.shape[time_dim] == 0:
        raise ValueError(
            f"{name} has no time step: its shape {tuple(tensor.shape)} is empty at time_dim "
            f"{time_dim}; at least one step is needed"
        )


def cpu_refuses(tensor: Tensor, *_: Any, **__: Any) -> list[str]:
    """Say why a compiled loop over time cannot run on a tensor; nothing if it can."""
    if tensor.device.type != "cpu":
        return [f"needs tensors on the cpu, got {tensor.device}"]
    if importlib.util.find_spec("numba") is None:
        return ["numba is not installed"]
    if tensor.dtype != torch.float32:
        return [f"works in float32, got {tensor.dtype}"]
    return []


def split(tensor: Tensor, time_dim: int) -> tuple[int, int, int]:
    """Return L, T and R: the neurons before the axis of time, the steps, the neurons after it."""
    time_dim %= tensor.ndim
    shape = tensor.shape
    return math.prod(shape[:time_dim]), shape[time_dim], math.prod(shape[time_dim + 1 :])


def step_shape(tensor: Tensor, time_dim: int) -> tuple[int, ...]:
    """Return the shape of one step."""
    time_dim %= tensor.ndim
    return (*tensor.shape[:time_dim], *tensor.shape[time_dim + 1 :])


def for_blocks(run: Callable[[int, int, int], Any], shape: tuple[int, int, int]) -> None:
    """Call `run(BLOCK, start, stop)` for ranges of blocks, on several threads.

    Block b holds the neurons `[l, r]` with `l = b // blocks`, r from `b % blocks * BLOCK` on,
    where `blocks = ceil(R / BLOCK)`.
    """
    lead, steps, rest = shape
    blocks = lead * -(-rest // BLOCK)
    work = max(steps * min(rest, BLOCK), 1)
    parallel(lambda start, stop: run(BLOCK, start, stop), blocks, least=max(LEAST // work, 1))
