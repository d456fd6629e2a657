"""Means over windows of maps that do not overlap."""

from typing import Any

from torch import Tensor

from bayesnn_spike.checks import require_positive
from bayesnn_spike.ops._dispatch import Implementation, Op, from_module, never
from bayesnn_spike.ops._lanes import cpu_refuses
from bayesnn_spike.ops.pool import reference


def mean_pool2d(maps: Tensor, side: int) -> Tensor:
    """Take the mean of every `side` x `side` window: `[*lead, H, W]` to `[*lead, H', W']`.

    The last rows and columns are left out where `side` does not divide the map. Of spikes at side 2
    the result is 0, 1/4, 1/2, 3/4 or 1, exactly.

    Args:
        maps: any leading axes.
        side: of the window, and the step from one to the next.

    Raises:
        ValueError: a side below 1, fewer than two axes, or a map smaller than the window.

    Source: ops/pool/README.md. Oracle: tests/ops/test_pool.py.
    """
    require_positive(side, "side")
    if maps.ndim < 2 or min(maps.shape[-2:]) < side:
        raise ValueError(
            f"maps of shape {tuple(maps.shape)} hold no window of {side} x {side}; they need two "
            "axes at least that long"
        )
    return _POOL(maps, side)


def _refuses(maps: Tensor, side: int, **_: Any) -> list[str]:
    del side
    return cpu_refuses(maps)


_POOL = Op(
    "mean_pool2d",
    (
        Implementation("cpu", from_module("bayesnn_spike.ops.pool.cpu", "mean_pool2d"), _refuses),
        Implementation("reference", lambda: reference.mean_pool2d, never),
    ),
)
# So that `explain` takes the function that users know.
mean_pool2d.op = _POOL
