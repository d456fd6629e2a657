"""`adam` on the CPU: two passes over memory instead of seven.

The reference's float32 operations, with the products and sums that PyTorch rounds once rounded
once; the root is PyTorch's own, whose last bit is not that of the processor's instruction.
Oracle: tests/ops/test_adam.py.
"""

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import load_floats, multiply_add, splat_float, store
from bayesnn_spike.ops._threads import parallel

_F32 = np.float32
# Values that are worth handing to a thread.
_LEAST = 1 << 16
# Values of a vector; the last one reaches back, so that it is full.
LANES = 16


@jit
def _means(grad, mean, square, weight, near, beta2, rest, second, new_mean, new_square, scale,
           start, stop):  # fmt: skip
    """Running means, and the corrected mean square, of vectors start to stop."""
    last = grad.size - LANES
    w, b, r, s = splat_float(weight), splat_float(beta2), splat_float(rest), splat_float(second)
    for i in range(start, stop):
        at = min(LANES * i, last)
        g, m = load_floats(grad, at), load_floats(mean, at)
        # torch.lerp starts from the nearer end.
        store(new_mean, at, multiply_add(w, g - m, m if near else g))
        v = multiply_add(r * g, g, load_floats(square, at) * b)
        store(new_square, at, v)
        store(scale, at, v / s)


@jit
def _move(values, mean, scale, eps, rate, out, start, stop):
    """Vectors start to stop of values after the step; scale is the root of the mean square."""
    last = values.size - LANES
    e, r = splat_float(eps), splat_float(rate)
    for i in range(start, stop):
        at = min(LANES * i, last)
        x = load_floats(values, at)
        store(out, at, x + (r * load_floats(mean, at)) / (load_floats(scale, at) + e))


def adam(
    values: Tensor,
    grad: Tensor,
    mean: Tensor,
    square: Tensor,
    step: tuple[float, float, float, float, int],
) -> tuple[Tensor, Tensor, Tensor]:
    """Values, mean and mean square after a step."""
    lr, beta1, beta2, eps, count = step
    x, g, m, v = (_flat(t) for t in (values, grad, mean, square))
    vectors, least = -(-x.size // LANES), _LEAST // LANES
    out, new_mean, new_square, scale = (np.empty(x.size, _F32) for _ in range(4))
    near = 1 - beta1 < 0.5
    weight = _F32(1 - beta1) if near else _F32(1 - beta1) - _F32(1)
    rest, second = _F32(1 - beta2), _F32(1 - beta2**count)
    parallel(
        lambda i, j: _means(
            g, m, v, weight, near, _F32(beta2), rest, second, new_mean, new_square, scale, i, j
        ),
        vectors,
        least=least,
    )
    torch.from_numpy(scale).sqrt_()
    rate = _F32(-lr / (1 - beta1**count))
    parallel(
        lambda i, j: _move(x, new_mean, scale, _F32(eps), rate, out, i, j), vectors, least=least
    )
    size = values.numel()
    moved, mean, square = (
        torch.from_numpy(a[:size]).view(values.shape) for a in (out, new_mean, new_square)
    )
    return moved, mean, square


def _flat(tensor: Tensor) -> np.ndarray:
    """The numbers one after the other; fewer than a vector are filled up with zeros."""
    flat = tensor.detach().contiguous().view(-1)
    missing = LANES - flat.numel()
    return (torch.nn.functional.pad(flat, (0, missing)) if missing > 0 else flat).numpy()
