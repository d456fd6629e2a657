"""The oracle of `mean_pool2d`: PyTorch's own."""

import torch.nn.functional as F
from torch import Tensor


def mean_pool2d(maps: Tensor, side: int) -> Tensor:
    """Means of windows, `[*lead, H, W]` to `[*lead, H', W']`."""
    flat = maps.reshape(-1, 1, *maps.shape[-2:])
    pooled = F.avg_pool2d(flat, side)
    return pooled.view(*maps.shape[:-2], *pooled.shape[-2:])
