"""The oracle of `trace`: the loop over time."""

import torch
from torch import Tensor


def trace(
    inputs: Tensor, state: Tensor | None, *, decay: float, time_dim: int
) -> tuple[Tensor, Tensor]:
    """Filter along `time_dim`; returns (filtered, last)."""
    steps = inputs.unbind(time_dim)
    y = torch.zeros_like(steps[0]) if state is None else state
    filtered = []
    for x in steps:
        y = decay * y + x
        filtered.append(y)
    return torch.stack(filtered, time_dim), y
