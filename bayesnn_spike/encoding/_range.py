"""The guard the encoders share."""

import torch
from torch import Tensor


def require_unit(values: Tensor, name: str, steps: int) -> None:
    """Raise ValueError unless all values lie in [0, 1] and there is at least one time step."""
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    outside = ~((values >= 0) & (values <= 1))  # NaN is outside, too
    if bool(outside.any()):
        first = tuple(torch.nonzero(outside)[0].tolist())
        raise ValueError(
            f"{name} must lie in [0, 1]; found {values[first].item()} at index {first}; "
            "normalise them first"
        )
