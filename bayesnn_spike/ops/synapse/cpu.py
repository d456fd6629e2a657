"""`linear` on the CPU for sparse spikes: each active input adds one row of weights.

The cost follows the number of events, not of inputs: at a density of 8 % it does a twelfth of the
additions of the dense product, in the forward pass and in the weight gradient. With weights in
{-1, +1} and spikes in {0, 1} sums are integers and equal the reference bit for bit.
Oracle: tests/ops/test_synapse.py.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops._compile import jit


@jit
def _count(x: np.ndarray, starts: np.ndarray) -> None:
    total = 0
    for r in range(x.shape[0]):
        row = x[r]
        found = 0
        for n in range(row.size):
            found += row[n] != 0
        total += found
        starts[r + 1] = total


@jit
def _list(x: np.ndarray, starts: np.ndarray, inputs: np.ndarray, values: np.ndarray) -> None:
    active = np.empty(x.shape[1] + 1, np.int32)
    for r in range(x.shape[0]):
        row, found = x[r], 0
        # Written always and kept only where active: no branch to mispredict.
        for n in range(row.size):
            active[found] = n
            found += row[n] != 0
        for e in range(found):
            inputs[starts[r] + e] = active[e]
            values[starts[r] + e] = row[active[e]]


@jit
def _forward(
    starts: np.ndarray, inputs: np.ndarray, values: np.ndarray, weight: np.ndarray, out: np.ndarray
) -> None:
    """weight `[K, N, M]`, out `[K, R, M]` zeroed; four events a pass over the outputs."""
    for k in range(out.shape[0]):
        for r in range(out.shape[1]):
            total, e, stop = out[k, r], starts[r], starts[r + 1]
            while e + 4 <= stop:
                row0, row1 = weight[k, inputs[e]], weight[k, inputs[e + 1]]
                row2, row3 = weight[k, inputs[e + 2]], weight[k, inputs[e + 3]]
                x0, x1, x2, x3 = values[e], values[e + 1], values[e + 2], values[e + 3]
                for m in range(total.size):
                    total[m] += (x0 * row0[m] + x1 * row1[m]) + (x2 * row2[m] + x3 * row3[m])
                e += 4
            while e < stop:
                row0, x0 = weight[k, inputs[e]], values[e]
                for m in range(total.size):
                    total[m] += x0 * row0[m]
                e += 1


@jit
def _backward(
    starts: np.ndarray, inputs: np.ndarray, values: np.ndarray, grad: np.ndarray, out: np.ndarray
) -> None:
    """grad `[K, R, M]`, out `[K, N, M]` zeroed."""
    for k in range(grad.shape[0]):
        for r in range(grad.shape[1]):
            row = grad[k, r]
            for e in range(starts[r], starts[r + 1]):
                total, value = out[k, inputs[e]], values[e]
                for m in range(row.size):
                    total[m] += value * row[m]


class _EventLinear(torch.autograd.Function):
    """`[R, N]` sparse, `[K, M, N]` to `[K, R, M]`; differentiable in the weight alone."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rows = x.numpy()
        starts = np.zeros(len(rows) + 1, np.int64)
        _count(rows, starts)
        inputs = np.empty(starts[-1], np.int32)
        values = np.empty(starts[-1], np.float32)
        _list(rows, starts, inputs, values)
        out = torch.zeros(len(weight), len(rows), weight.shape[1])
        _forward(starts, inputs, values, _transposed(weight), out.numpy())
        events = (torch.from_numpy(a) for a in (starts, inputs, values))
        return out, *events

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        _, *events = output
        ctx.mark_non_differentiable(*events)
        ctx.save_for_backward(*events)
        ctx.inputs = inputs[0].shape[1]

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor, *_: Any) -> tuple[None, Tensor]:
        starts, inputs, values = (a.numpy() for a in ctx.saved_tensors)
        out = torch.zeros(len(cotangent), ctx.inputs, cotangent.shape[2])
        _backward(starts, inputs, values, cotangent.contiguous().numpy(), out.numpy())
        return None, torch.from_numpy(_transposed(out))


@jit
def _transpose(x: np.ndarray, out: np.ndarray) -> None:
    """`[K, A, B]` to `[K, B, A]`, in tiles that stay in the first-level cache."""
    draws, rows, columns = x.shape
    for k in range(draws):
        for i0 in range(0, rows, 32):
            for j0 in range(0, columns, 32):
                for j in range(j0, min(j0 + 32, columns)):
                    for i in range(i0, min(i0 + 32, rows)):
                        out[k, j, i] = x[k, i, j]


def _transposed(values: Tensor) -> np.ndarray:
    """The last two axes swapped, contiguous."""
    x = values.detach().contiguous().numpy()
    out = np.empty((x.shape[0], x.shape[2], x.shape[1]), np.float32)
    _transpose(x, out)
    return out


def linear(spikes: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`[T, B, N]` with `[*K, M, N]` to `[*K, T, B, M]`."""
    has_draws = weight.ndim == 3 or (bias is not None and bias.ndim == 2)
    weight = weight if weight.ndim == 3 else weight[None]
    rows = spikes.detach().flatten(0, 1).contiguous()
    current = _EventLinear.apply(rows, weight)[0].unflatten(1, spikes.shape[:2])
    if bias is not None:
        current = current + bias.view(-1, 1, 1, bias.shape[-1])
    return current if has_draws else current[0]
