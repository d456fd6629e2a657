"""Synapses as layers: `torch.nn`-like modules whose weight may have a leading draw axis K."""

import math
from typing import final

import torch
from torch import Tensor, nn

from bayesnn_spike.checks import require_positive
from bayesnn_spike.nn.constant import once
from bayesnn_spike.ops.pool import mean_pool2d
from bayesnn_spike.ops.synapse import conv2d, linear
from bayesnn_spike.ops.synapse.shapes import pair
from bayesnn_spike.weights import SignLeaf


@final
class Linear(nn.Module):
    """Currents `scale * (x W^T + bias)` with scale = gain / sqrt(fan_in).

    The scale multiplies the current, never the sign: weights may be -1/+1 and the currents of a
    random network have unit order. The weight handed in by `torch.func.functional_call` may be
    `[M, N]` or `[K, M, N]`.

    Args:
        n_in: inputs N.
        n_out: outputs M.
        gain: positive factor of the current.
        bias: add a bias (scaled as well), at every time step.

    Source: scale 1/sqrt(fan_in) as in BiSNN (gain 1). Oracle: tests/nn/test_layers.py.
    """

    def __init__(self, n_in: int, n_out: int, *, gain: float = 1.0, bias: bool = False) -> None:
        super().__init__()
        require_positive(gain, "gain")
        self.scale = gain / math.sqrt(n_in)
        self.weight = nn.Parameter(torch.ones(n_out, n_in))
        self.bias = nn.Parameter(torch.ones(n_out)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Map `[*K, T, B, N]` to `[*K, T, B, M]`."""
        return once(self._currents, x, -3)

    def _currents(self, x: Tensor) -> Tensor:
        if isinstance(self.weight, SignLeaf):
            return self.weight.currents(x, self.bias, self.scale)
        currents = linear(x, self.weight, self.bias)
        return currents if self.scale == 1 else currents * self.scale

    def extra_repr(self) -> str:
        n_out, n_in = self.weight.shape[-2:]
        return f"{n_in}, {n_out}, scale={self.scale:.6g}, bias={self.bias is not None}"


@final
class Conv2d(nn.Module):
    """Currents `scale * (W * x + bias)` of a 2-d convolution, scale = gain / sqrt(fan_in).

    Args:
        c_in: input channels.
        c_out: output channels.
        kernel: side of the square kernel.
        stride: step of the kernel.
        padding: zeros on every side.
        gain: positive factor of the current; fan_in = c_in * kernel^2.
        bias: add a bias (scaled as well).

    Oracle: tests/nn/test_layers.py.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int = 0,
        gain: float = 1.0,
        bias: bool = False,
    ) -> None:
        super().__init__()
        require_positive(gain, "gain")
        self.scale = gain / math.sqrt(c_in * kernel * kernel)
        self.stride, self.padding = stride, padding
        self.weight = nn.Parameter(torch.ones(c_out, c_in, kernel, kernel))
        self.bias = nn.Parameter(torch.ones(c_out)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Map `[*K, T, B, C, H, W]` to `[*K, T, B, O, H', W']`."""
        return once(self._currents, x, -5)

    def _currents(self, x: Tensor) -> Tensor:
        if isinstance(self.weight, SignLeaf):
            return self.weight.maps(x, self.bias, self.scale, self.stride, self.padding)
        maps = conv2d(x, self.weight, self.bias, stride=self.stride, padding=self.padding)
        return maps if self.scale == 1 else maps * self.scale

    def extra_repr(self) -> str:
        shape = "x".join(str(size) for size in self.weight.shape[-4:])
        return f"{shape}, stride={self.stride}, padding={self.padding}, scale={self.scale:.6g}"


@final
class Flatten(nn.Module):
    """Flatten the last `feature_dims` axes: `[*K, T, B, C, H, W]` to `[*K, T, B, C*H*W]`."""

    def __init__(self, feature_dims: int = 3) -> None:
        super().__init__()
        self.feature_dims = feature_dims

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(-self.feature_dims)


@final
class Fold(nn.Module):
    """Run a plain `torch.nn` module that knows one batch axis: fold `[*K, T, B]` into it and back.

    For pooling and other layers without weights of their own draw. Average pooling over whole
    windows that do not overlap is the compiled `ops.pool.mean_pool2d`.

    Oracle: tests/nn/test_layers.py.
    """

    def __init__(self, module: nn.Module, *, feature_dims: int) -> None:
        super().__init__()
        self.module, self.feature_dims = module, feature_dims

    def forward(self, x: Tensor) -> Tensor:
        side = _windows(self.module)
        if side and type(x) is Tensor:
            return mean_pool2d(x, side)
        leading = x.shape[: x.ndim - self.feature_dims]
        return self.module(x.flatten(0, len(leading) - 1)).unflatten(0, leading)


def _windows(module: nn.Module) -> int | None:
    """The side of the windows of plain average pooling, None for any other module."""
    if not isinstance(module, nn.AvgPool2d) or module.ceil_mode or module.divisor_override:
        return None
    height, width = pair(module.kernel_size)
    plain = pair(module.stride) == (height, width) and pair(module.padding) == (0, 0)
    return height if height == width and plain else None
