"""Spikes that stay bits through pooling, flattening and the next layer.

Oracle: tests/weights/test_lazy.py.
"""

import math
from typing import Any, final

import torch
from torch import Tensor

from bayesnn_spike.ops.spikes import PackedSpikes
from bayesnn_spike.weights.lazy import Lazy


@final
class SpikeTensor(Lazy):
    """Zeros and ones `[*lead, *features]`, packed.

    Args:
        spikes: the bits.
        flat: show the features of a map as one axis.
        folded: show the leading axes as one axis, as modules with one batch axis want them.
    """

    spikes: PackedSpikes
    flat: bool
    folded: bool

    @staticmethod
    def __new__(
        cls, spikes: PackedSpikes, flat: bool = False, folded: bool = False
    ) -> "SpikeTensor":
        lead = (math.prod(spikes.lead),) if folded else spikes.lead
        features = (math.prod(spikes.features),) if flat else spikes.features
        made = torch.Tensor._make_wrapper_subclass(
            cls, (*lead, *features), dtype=torch.float32, device=spikes.device
        )
        made.spikes, made.flat, made.folded = spikes, flat, folded
        return made

    def dense(self) -> Tensor:
        return self.spikes.dense().reshape(self.shape)

    def held_bytes(self) -> int:
        return self.spikes.words.numel() * self.spikes.words.itemsize

    @classmethod
    def take(cls, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if not isinstance(args[0], SpikeTensor):
            return None
        name = getattr(func, "__name__", "")
        if name == "flatten":
            return _flatten(*args, **kwargs)
        if name == "unflatten":
            return _unflatten(*args, **kwargs)
        if name == "max_pool2d":
            return _max_pool(*args, **kwargs)
        return None


def _flatten(x: SpikeTensor, start_dim: int = 0, end_dim: int = -1) -> SpikeTensor | None:
    """Features to one axis, or all leading axes to one; the bits stay where they are."""
    first, last = start_dim % x.ndim, end_dim % x.ndim
    lead = 1 if x.folded else len(x.spikes.lead)
    if first == lead and last == x.ndim - 1:
        return SpikeTensor(x.spikes, len(x.spikes.features) == 3, x.folded)
    if first == 0 and last == lead - 1:
        return SpikeTensor(x.spikes, x.flat, folded=True)
    return None


def _unflatten(x: SpikeTensor, dim: int, sizes: Any) -> SpikeTensor | None:
    """Take the fold of the leading axes back."""
    if dim % x.ndim == 0 and x.folded and tuple(sizes) == x.spikes.lead:
        return SpikeTensor(x.spikes, x.flat)
    return None


def _max_pool(
    x: SpikeTensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> SpikeTensor | None:
    """The maximum of spikes is their union: one `or` for 64 channels."""
    side = kernel_size if isinstance(kernel_size, int) else None
    plain = padding == 0 and dilation == 1 and not ceil_mode and not return_indices
    if (
        x.flat
        or side is None
        or stride not in (None, side)
        or not plain
        or len(x.spikes.features) != 3
    ):
        return None
    channels, height, width = x.spikes.features
    rows, columns = height // side, width // side
    if not rows or not columns:
        return None
    pooled = None
    for dy in range(side):
        for dx in range(side):
            part = x.spikes.words[
                ..., dy : dy + rows * side : side, dx : dx + columns * side : side, :
            ]
            pooled = part.clone() if pooled is None else pooled.bitwise_or_(part)
    return SpikeTensor(PackedSpikes(pooled, (channels, rows, columns)), folded=x.folded)
