"""`mean_pool2d` on the CPU: the library's form goes element by element unless channels come last.

A window is summed in the order of the reference, so results are the same bits. The gradient is
linear and so has a gradient itself. Oracle: tests/ops/test_pool.py.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._memory import empty
from bayesnn_spike.ops._threads import parallel

_F32 = np.float32
# Inputs that are worth handing to a thread (about 0.1 ms).
LEAST = 1 << 17


@jit
def _mean(x, side, share, out, start, stop):
    """Planes start to stop of x `[N, H, W]` to out `[N, H // side, W // side]`."""
    for n in range(start, stop):
        for i in range(out.shape[1]):
            row = out[n, i]
            if side == 2:
                a, b = x[n, 2 * i], x[n, 2 * i + 1]
                for j in range(len(row)):
                    row[j] = (a[2 * j] + a[2 * j + 1] + b[2 * j] + b[2 * j + 1]) * share
            else:
                for j in range(len(row)):
                    total = _F32(0)
                    for a in range(side):
                        for b in range(side):
                            total += x[n, side * i + a, side * j + b]
                    row[j] = total / _F32(side * side)


@jit
def _spread(g, side, share, out, start, stop):
    """Planes start to stop of g `[N, h, w]` to out `[N, H, W]`, each value to its window."""
    height, width = g.shape[1], g.shape[2]
    for n in range(start, stop):
        for y in range(out.shape[1]):
            row = out[n, y]
            if y // side < height:
                source = g[n, y // side]
                if side == 2:
                    for j in range(width):
                        value = source[j] * share
                        row[2 * j], row[2 * j + 1] = value, value
                else:
                    for j in range(width):
                        value = source[j] / _F32(side * side)
                        for b in range(side):
                            row[side * j + b] = value
                for x in range(side * width, len(row)):
                    row[x] = _F32(0)
            else:
                for x in range(len(row)):
                    row[x] = _F32(0)


class _Mean(torch.autograd.Function):
    """`[N, H, W]` to `[N, h, w]`."""

    @staticmethod
    def forward(maps: Tensor, side: int) -> Tensor:
        n, height, width = maps.shape
        out = empty(n, height // side, width // side)
        _run(_mean, maps, side, out, height * width)
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, _: Any) -> None:
        maps, ctx.side = inputs
        ctx.size = tuple(maps.shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _Spread.apply(grad.contiguous(), ctx.side, ctx.size), None


class _Spread(torch.autograd.Function):
    """`[N, h, w]` to `[N, H, W]`: the transpose of `_Mean`."""

    @staticmethod
    def forward(grad: Tensor, side: int, size: tuple[int, int, int]) -> Tensor:
        out = empty(*size)
        _run(_spread, grad, side, out, size[1] * size[2])
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, _: Any) -> None:
        _, ctx.side, _ = inputs

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _Mean.apply(grad.contiguous(), ctx.side), None, None


def mean_pool2d(maps: Tensor, side: int) -> Tensor:
    """Means of windows, `[*lead, H, W]` to `[*lead, H', W']`."""
    flat = maps.contiguous().view(-1, *maps.shape[-2:])
    pooled = _Mean.apply(flat, side)
    return pooled.view(*maps.shape[:-2], *pooled.shape[-2:])


def _run(kernel: Any, x: Tensor, side: int, out: Tensor, work: int) -> None:
    source, target, share = x.detach().numpy(), out.numpy(), _F32(1 / (side * side))
    least = max(LEAST // max(work, 1), 1)
    parallel(lambda a, b: kernel(source, side, share, target, a, b), len(source), least=least)
