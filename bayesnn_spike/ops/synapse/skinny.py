"""`linear` with few outputs on the CPU: the dense product, its weight gradient the quick way round.

Autograd takes dL/dw^T = x^T g. With few outputs the libraries are several times faster at
dL/dw = g^T x, the same sums. Oracle: tests/ops/test_synapse_skinny.py.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from bayesnn_spike.ops.precision import Precision, in_precision


class SkinnyLinear(torch.autograd.Function):
    """`[D, R, N]` with `[K, M, N]` to `[K, R, M]`; D is K, or 1 where draws share the spikes."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, precision: Precision) -> Tensor:
        return in_precision(torch.matmul, x, weight.mT, how=precision)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        x, weight, ctx.precision = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        multiply = partial(in_precision, torch.matmul, how=ctx.precision)
        dx = multiply(grad, weight) if ctx.needs_input_grad[0] else None
        if dx is not None and len(dx) != len(x):
            dx = dx.sum(0, keepdim=True)
        return dx, multiply(grad.mT, x) if ctx.needs_input_grad[1] else None, None
