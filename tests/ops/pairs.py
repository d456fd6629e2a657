"""Run a call on the CPU implementation and on the reference, and compare."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from bayesnn_spike.ops import only


def both(call: Callable[[], Sequence[Tensor]]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """What the CPU implementation gives, and what the reference gives."""
    found = []
    for name in ("cpu", "reference"):
        with only(name):
            found.append(tuple(call()))
    return tuple(found)


def assert_same_bits(call: Callable[[], Sequence[Tensor]]) -> None:
    """Both give the same values, shapes and types; NaN in the same places."""
    for one, two in zip(*both(call), strict=True):
        assert one.dtype == two.dtype
        assert one.shape == two.shape
        torch.testing.assert_close(one, two, rtol=0, atol=0, equal_nan=True)


def assert_close(call: Callable[[], Sequence[Tensor]], *, error: float) -> None:
    """Both agree up to `error`, relative above 1 and absolute below; NaN in the same places."""
    for one, two in zip(*both(call), strict=True):
        torch.testing.assert_close(one, two, rtol=error, atol=error, equal_nan=True)
