"""The reference in the precision that is in use: dense products of `linear` and `conv2d`.

Oracle: tests/ops/test_precision.py.
"""

from functools import partial
from typing import Any

from torch import Tensor

from bayesnn_spike.ops.precision import Float32, in_precision, in_use
from bayesnn_spike.ops.synapse import reference


def linear(spikes: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`[*K, T, B, N]` with `[*K, M, N]` to `[*K, T, B, M]`."""
    if isinstance(in_use(), Float32):
        return reference.linear(spikes, weight, bias)
    current = in_precision(partial(reference.linear, bias=None), spikes, weight)
    return current if bias is None else current + reference.over_time(bias, 1)


def conv2d(spikes: Tensor, weight: Tensor, bias: Tensor | None, **options: Any) -> Tensor:
    """`[*K, T, B, C, H, W]` with `[*K, O, C, h, w]` to `[*K, T, B, O, H', W']`."""
    if isinstance(in_use(), Float32):
        return reference.conv2d(spikes, weight, bias, **options)
    current = in_precision(partial(reference.conv2d, bias=None, **options), spikes, weight)
    return current if bias is None else current + reference.over_time(bias, 3)
