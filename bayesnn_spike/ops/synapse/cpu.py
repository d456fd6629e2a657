"""`linear` on the CPU for sparse spikes: each active input adds one row of weights.

The cost follows the number of events, not of inputs: at a density of 8 % it does a twelfth of the
additions of the dense product, in the forward pass and in the weight gradient. The gradient of the
spikes is a dense product. With weights in {-1, +1} and spikes in {0, 1} sums are integers and equal
the reference bit for bit. Oracle: tests/ops/test_synapse.py.
"""

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops._autograd import compiled_gradient
from bayesnn_spike.ops.precision import Precision, in_precision, in_use
from bayesnn_spike.ops.synapse import events
from bayesnn_spike.ops.synapse.choice import MAX_DENSITY, MIN_OUTPUTS
from bayesnn_spike.ops.synapse.gather import gather
from bayesnn_spike.ops.synapse.scatter import scatter
from bayesnn_spike.ops.synapse.skinny import SkinnyLinear

_U64 = np.uint64


class _EventLinear(torch.autograd.Function):
    """`[D, R, N]` sparse, `[K, M, N]` to `[K, R, M]`; D is K, or 1 where draws share the spikes."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, precision: Precision) -> tuple[Tensor, Tensor]:
        del precision
        numbers = x.detach().contiguous().numpy()
        words, counts, binary = events.pack_rows(numbers.reshape(-1, x.shape[2]))
        lists = events.by_row(words, counts, None if binary else numbers)
        out = gather(lists, weight.detach().contiguous().numpy(), x.shape[1])
        bits = torch.from_numpy(words.view(np.int64)).view(*x.shape[:2], words.shape[1])
        # What has values of its own is needed again; zeros and ones are in the words.
        return torch.from_numpy(out), bits, torch.tensor(binary)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        x, weight, ctx.precision = inputs
        _, bits, binary = output
        ctx.mark_non_differentiable(bits, binary)
        ctx.inputs = x.shape[2]
        ctx.save_for_backward(bits, weight, None if binary else x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor | None, Tensor | None, None]:
        wanted = tuple(ctx.needs_input_grad[:2])
        run = partial(_gradients, wanted, ctx.inputs, ctx.precision)
        found = iter(compiled_gradient("linear", run, grad, *ctx.saved_tensors))
        return *(next(found) if is_wanted else None for is_wanted in wanted), None


def _gradients(
    wanted: tuple[bool, bool],
    inputs: int,
    precision: Precision,
    grad: Tensor,
    bits: Tensor,
    weight: Tensor,
    x: Tensor | None,
) -> tuple[Tensor, ...]:
    found = []
    if wanted[0]:
        found.append(spike_gradient(grad, weight.detach(), len(bits), precision))
    if wanted[1]:
        found.append(weight_gradient(grad, bits, inputs, x, precision))
    return tuple(found)


def spike_gradient(grad: Tensor, weight: Tensor, draws: int, precision: Precision) -> Tensor:
    """`[K, R, M]` with `[K, M, N]` to `[D, R, N]`, a dense product; the sum over k if D is 1."""
    found = in_precision(torch.matmul, grad, weight, how=precision)
    return found if len(found) == draws else found.sum(0, keepdim=True)


def weight_gradient(
    grad: Tensor,
    bits: Tensor,
    inputs: int,
    x: Tensor | None,
    precision: Precision,
    scale: float = 1.0,
) -> Tensor:
    """`[K, R, M]` with spikes `[D, R, N]` to `[K, M, N]`.

    Args:
        grad: the cotangents.
        bits: the active inputs, int64 `[D, R, W]`.
        inputs: N.
        x: the spikes, where they are not all 0 and 1.
        precision: of the dense product that is taken for dense spikes.
        scale: multiplies the cotangents.
    """
    words = bits.numpy().view(_U64)
    active = int(np.bitwise_count(words).sum(dtype=np.int64))
    numbers = None if x is None else x.detach().contiguous().numpy()
    if active > MAX_DENSITY * bits.shape[0] * bits.shape[1] * inputs:
        if numbers is None:
            numbers = events.unpack_rows(words.reshape(-1, words.shape[2]), inputs)
        dense = torch.from_numpy(numbers).view(*bits.shape[:2], inputs)
        return in_precision(torch.matmul, (grad * scale).mT, dense, how=precision)
    lists = events.by_input(words, inputs, numbers)
    return torch.from_numpy(scatter(lists, grad.detach().contiguous().numpy(), inputs, scale))


def linear(spikes: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`[*K, T, B, N]` with `[*K, M, N]` to `[*K, T, B, M]`."""
    x, values, shape = rows_and_draws(spikes, weight, bias)
    if values.shape[1] < MIN_OUTPUTS:
        current = SkinnyLinear.apply(x, values, in_use()).view(shape)
    else:
        current = _EventLinear.apply(x, values, in_use())[0].view(shape)
    return current if bias is None else current + over_time(bias, shape)


def rows_and_draws(
    spikes: Tensor, weight: Tensor, bias: Tensor | None
) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """Spikes as `[D, R, N]`, the weight as `[K, M, N]`, and the shape of the currents.

    D is K, or 1 where all draws share the spikes. Draws of spikes that share one weight are rows.
    """
    steps, batch, inputs = spikes.shape[-3:]
    has_draws = spikes.ndim == 4 or weight.ndim == 3 or (bias is not None and bias.ndim == 2)
    weight = weight if weight.ndim == 3 else weight[None]
    own = len(spikes) if spikes.ndim == 4 else 1
    draws = max(own, len(weight))
    x = spikes.reshape(own if len(weight) == own else 1, -1, inputs)
    shape = (steps, batch, weight.shape[1])
    return x, weight, (draws, *shape) if has_draws else shape


def over_time(bias: Tensor, shape: tuple[int, ...]) -> Tensor:
    """`[M]` or `[K, M]` as it is added to currents of a shape."""
    return bias.view(-1, 1, 1, bias.shape[-1]) if len(shape) == 4 else bias
