"""Population code: a number in [0, 1] as the rates of a few units with cosine tuning curves.

Oracle: tests/encoding/test_population.py.
"""

import math

import torch
from torch import Tensor

from bayesnn_spike.encoding._range import require_unit


def population(values: Tensor, *, units: int = 10) -> Tensor:
    """Spread each coordinate over `units` overlapping tuning curves.

    Unit j has its centre at c_j = j / (units - 1) and the rate
    `0.5 + 0.5 cos(clip(pi (x - c_j) (units - 1), -pi, pi))`: 1 at its own centre, 0 at the
    neighbours'. At most two units are active and the rates of a coordinate sum to 1. Draw spikes
    from the rates with `rate`.

    Args:
        values: `[*shape, D]` in [0, 1].
        units: tuning curves per coordinate, >= 2.

    Returns:
        `[*shape, D * units]` rates in [0, 1], coordinate-major, in the dtype of `values`.

    Raises:
        ValueError: a value is outside [0, 1] or not finite, or `units` < 2.

    Source: the two-moons experiment of BiSNN (arXiv:2012.08300). Its code has the curves' width as
        11.11 on a scale of 100; here it is 100 / 9 exactly, so that the rates do sum to 1.
    """
    if units < 2:
        raise ValueError(f"a population code needs at least 2 units, got {units}")
    require_unit(values, "values", steps=1)
    centres = torch.arange(units, dtype=values.dtype, device=values.device)
    distance = (values.unsqueeze(-1) * (units - 1) - centres).clamp(-1.0, 1.0)
    return (0.5 + 0.5 * torch.cos(math.pi * distance)).flatten(-2)
