"""Shapes and inputs that `conv2d` and `straight_conv2d` are tried on, and how they are compared."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops import only
from bayesnn_spike.ops.synapse import quarters
from bayesnn_spike.ops.synapse.conv_rows import pack_frames, window_between
from tests.ops import cases

K, T, B, M = 3, 4, 3, 69
DRAWS = (None, 1, K)
# Channels, map, kernel, stride and padding of each.
SHAPES = [
    (2, (5, 6), (3, 3), 1, 1),
    (3, (7, 4), (2, 3), (2, 1), (0, 2)),
    (5, (9, 8), (3, 3), 2, 0),
    (70, (3, 4), (3, 3), 1, 1),
    (4, (1, 1), (1, 1), 1, 0),
    (1, (2, 40), (1, 5), (3, 2), (1, 1)),
]


def with_draws(draws: int | None, *shape: int) -> tuple[int, ...]:
    return shape if draws is None else (draws, *shape)


def tensors(
    of_x, of_w, of_b, shape=SHAPES[0], *, rate: float = 0.2, batch: int = B
) -> list[Tensor]:
    """Spikes, weights and a bias ("absent": none) with or without draws."""
    channels, size, kernel, _, _ = shape
    found = [
        cases.spikes(*with_draws(of_x, T, batch, channels, *size), rate=rate),
        cases.normal(*with_draws(of_w, M, channels, *kernel), seed=1, dtype=torch.float32),
    ]
    if of_b != "absent":
        found.append(cases.normal(*with_draws(of_b, M), seed=2, dtype=torch.float32))
    return found


def run(
    op: Callable[..., Tensor],
    name: str,
    inputs: list[Tensor],
    shape=SHAPES[0],
    dtype: torch.dtype = torch.float32,
    **options,
) -> list[Tensor]:
    """Currents, and gradients for a cotangent of numbers."""
    leaves = [x.detach().to(dtype).requires_grad_() for x in inputs]
    with only(name):
        found = op(*leaves, stride=shape[3], padding=shape[4], **options)
        g = cases.normal(*found.shape, seed=3).to(dtype)
        return [found.detach(), *torch.autograd.grad(found, leaves, g)]


def assert_near(found: list[Tensor], expected: list[Tensor]) -> None:
    """Sums of some hundred float32 numbers of size one, against float64."""
    for one, two in zip(found, expected, strict=True):
        assert one.dtype == torch.float32
        assert one.shape == two.shape
        torch.testing.assert_close(one.double(), two, rtol=1e-5, atol=1e-4)


def frames(shape, kind: str, count: int, rate: float):
    """Frames of "spikes" or "quarters" `[F, C, H, W]`, their words, planes and geometry."""
    channels, size, kernel, stride, padding = shape
    x = cases.spikes(1, count, channels, *size, rate=rate)
    if kind == "quarters":
        x = x * (torch.arange(x.numel()).view(x.shape) % 4 + 1) / 4
    bits = quarters.pack_quarters(x) if kind == "quarters" else pack_frames(x)[0]
    geometry = window_between(x, torch.empty(1, channels, *kernel), stride, padding).geometry
    words = bits[0].numpy().view(np.uint64)
    return x[0].numpy(), words, 3 if kind == "quarters" else 1, geometry
