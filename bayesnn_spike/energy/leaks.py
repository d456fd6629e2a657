"""What one update of a neuron costs beside its inputs: how many states, and what leaks need.

Oracle: tests/energy/test_leaks.py.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bayesnn_spike.neurons import Refractory, SynapticTrace


class Leaks(NamedTuple):
    """Operations of one update: multiplications, shifts with a subtraction, and states."""

    multiplications: int
    shifts: int
    states: int


def leaks_of(module: nn.Module | None) -> Leaks:
    """Return what an update of a neuron layer costs.

    A leak of 1 or 0 costs nothing, 2^-k is a shift, which costs nothing either, and 1 - 2^-k is a
    shift and a subtraction. Any other is a multiplication, and so is the leak of a neuron that has
    no `leak` or `beta` to look at.

    Args:
        module: a neuron of ours or a user's own; None for a layer without state.
    """
    if module is None:
        return Leaks(0, 0, 0)
    if isinstance(module, SynapticTrace):
        values = (module.alpha, module.beta)
    elif isinstance(module, Refractory):
        values = (module.decay,)
    else:
        found = getattr(module, "leak", getattr(module, "beta", math.nan))
        values = (found,)
    needs = [_need(value) for value in values]
    return Leaks(needs.count("multiply"), needs.count("shift"), len(values))


def _need(value: float | Tensor) -> str:
    """What the least kind of all values of a leak needs."""
    values = torch.as_tensor(value).detach().double().flatten().tolist()
    if all(v in (0.0, 1.0) or _power_of_two(v) for v in values):
        return "nothing"
    if all(v in (0.0, 1.0) or _power_of_two(v) or _power_of_two(1 - v) for v in values):
        return "shift"
    return "multiply"


def _power_of_two(value: float) -> bool:
    return 0 < value < 1 and math.frexp(value)[0] == 0.5
