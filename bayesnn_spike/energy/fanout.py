"""How many outputs an input reaches: exact, so that the border of a padded map counts for less.

A corner input of a 3x3 convolution with padding 1 reaches 4 places of every output map, an inner
one 9. Dense MACs count the padding's zeros as well; connections do not.
Oracle: tests/energy/test_fanout.py (by convolving ones, one input at a time).
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


@final
@dataclass(frozen=True)
class Window:
    """The geometry of a 2-d convolution.

    Attributes:
        kernel, stride, dilation: of height and width.
        padding: zeros before and after, of height and width.
        groups: of channels.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    dilation: tuple[int, int]
    groups: int

    def reach(self, axis: int, size: int) -> Tensor:
        """Which inputs meet which taps: float64 `[size, kernel]` of 0 and 1.

        Args:
            axis: 0 height, 1 width.
            size: of the input along it.

        Raises:
            ValueError: the kernel is larger than the padded input.
        """
        stride, dilation = self.stride[axis], self.dilation[axis]
        first, after = self.padding[axis]
        span = dilation * (self.kernel[axis] - 1) + 1
        last = size + first + after - span
        if last < 0:
            raise ValueError(f"a kernel that spans {span} does not fit {size} inputs with padding")
        taps = torch.arange(self.kernel[axis]) * dilation
        place = torch.arange(size)[:, None] + first - taps  # where the window would begin
        return ((place >= 0) & (place <= last) & (place % stride == 0)).double()


def connections(weights: Tensor, features: tuple[int, ...], window: Window | None) -> Tensor:
    """Return how many nonzero weights leave every input: float64 `[K, *features]`.

    Args:
        weights: `[K, M, N]`, or `[K, O, C / groups, kh, kw]`; anything not 0 counts.
        features: `(N,)` or `(C, H, W)`.
        window: geometry of a convolution; None for a linear layer.
    """
    used = weights != 0
    if window is None:
        return used.sum(1).double()
    height, width = window.reach(0, features[1]), window.reach(1, features[2])
    # Outputs of a group add up; input channel c belongs to group c // (C / groups).
    grouped = used.unflatten(1, (window.groups, -1)).sum(2).flatten(1, 2).double()
    return torch.einsum("kcij,hi,wj->kchw", grouped.cpu(), height, width)


def full_connections(outputs: int, features: tuple[int, ...], window: Window | None) -> Tensor:
    """Return how many outputs every input reaches if no weight is 0, as `[*features]`.

    Args:
        outputs: units M, or output channels O.
        features: `(N,)` or `(C, H, W)`.
        window: geometry of a convolution; None for a linear layer.
    """
    if window is None:
        return torch.full(features, float(outputs), dtype=torch.float64)
    height = window.reach(0, features[1]).sum(1)
    width = window.reach(1, features[2]).sum(1)
    return (outputs // window.groups) * torch.outer(height, width).expand(features)
