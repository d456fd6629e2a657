"""The oracle of `synapse`: one matrix product or convolution a draw."""

import torch
import torch.nn.functional as F
from torch import Tensor


def linear(spikes: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`[*K, T, B, N]` with `[*K, M, N]` to `[*K, T, B, M]`."""
    if weight.ndim == 2 and (bias is None or bias.ndim == 1):
        return F.linear(spikes, weight, bias)
    weight = weight if weight.ndim == 3 else weight[None]
    if spikes.ndim == 3 and len(weight) == 1 and (bias is None or len(bias) == 1):
        return F.linear(spikes, weight[0], None if bias is None else bias.view(-1))[None]
    spikes = spikes if spikes.ndim == 4 else spikes[None]
    flat = spikes.flatten(1, 2)  # [K or 1, T * B, N]
    current = torch.matmul(flat, weight.mT).unflatten(1, spikes.shape[1:3])
    return current if bias is None else current + over_time(bias, 1)


def signed_linear(spikes: Tensor, signs: Tensor, bias: Tensor | None) -> Tensor:
    """As `linear` with signs `[K, M, N]`, the bias added to the integers, in one rounding."""
    current = linear(spikes, signs, None)
    return current if bias is None else current + over_time(bias, 1)


def conv2d(
    spikes: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    stride: int | tuple[int, int],
    padding: int | tuple[int, int],
) -> Tensor:
    """`[*K, T, B, C, H, W]` with `[*K, O, C, h, w]` to `[*K, T, B, O, H', W']`."""
    has_draws = spikes.ndim == 6 or weight.ndim == 5 or (bias is not None and bias.ndim == 2)
    spikes = spikes if spikes.ndim == 6 else spikes[None]
    weight = weight if weight.ndim == 5 else weight[None]
    draws = max(len(spikes), len(weight))
    maps = []
    for k in range(draws):
        x, w = _draw(spikes, k), _draw(weight, k)
        y = F.conv2d(x.flatten(0, 1), w, stride=stride, padding=padding)
        maps.append(y.unflatten(0, x.shape[:2]))
    # One draw is not copied, and stays in the order in which the convolution wrote it.
    current = maps[0][None] if draws == 1 else torch.stack(maps)
    if bias is not None:
        current = current + over_time(bias, 3)
    return current if has_draws else current.squeeze(0)


def _draw(values: Tensor, k: int) -> Tensor:
    """Draw k; of a single one a view, where the gradient of an index would be a copy."""
    return values.squeeze(0) if len(values) == 1 else values[k % len(values)]


def over_time(bias: Tensor, feature_dims: int) -> Tensor:
    """`[M]` or `[K, M]` to a shape that broadcasts over T, B and the map."""
    bias = bias if bias.ndim == 2 else bias[None]
    return bias.view(len(bias), 1, 1, -1, *([1] * (feature_dims - 1)))
