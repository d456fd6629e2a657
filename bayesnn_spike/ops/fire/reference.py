"""The oracle of `fire`: the loop over time that the README's equations describe."""

import torch
from torch import Tensor

from bayesnn_spike.ops.fire.surrogate import Comparison, Reset, Subtract, Surrogate, spike


def fire(
    current: Tensor,
    state: Tensor | None,
    *,
    time_dim: int,
    beta: float,
    v_threshold: float,
    surrogate: Surrogate,
    reset: Reset,
    comparison: Comparison,
    detach_reset: bool,
) -> tuple[Tensor, Tensor]:
    """Spikes and last membrane of the leaky neuron."""
    steps = current.unbind(time_dim)
    v = torch.zeros_like(steps[0]) if state is None else state
    spikes = []
    for i in steps:
        u = beta * v + i
        s = spike(u - v_threshold, surrogate, comparison)
        spikes.append(s)
        cut = s.detach() if detach_reset else s
        if isinstance(reset, Subtract):
            v = u - v_threshold * cut
        else:
            v = u * (1 - cut) + reset.v_reset * cut
    return torch.stack(spikes, time_dim), v


def refractory_fire(
    current: Tensor,
    state: tuple[Tensor, Tensor] | None,
    *,
    time_dim: int,
    decay: float,
    v_threshold: float,
    surrogate: Surrogate,
    comparison: Comparison,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Spikes, last refractory trace, last spikes, membrane."""
    steps = current.unbind(time_dim)
    if state is None:
        r, s = torch.zeros_like(steps[0]), torch.zeros_like(steps[0])
    else:
        r, s = state
    spikes, membranes = [], []
    for i in steps:
        r = decay * r + s.detach()
        u = i - r
        s = spike(u - v_threshold, surrogate, comparison)
        spikes.append(s)
        membranes.append(u)
    return torch.stack(spikes, time_dim), r, s.detach(), torch.stack(membranes, time_dim)
