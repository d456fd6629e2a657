"""PyTorch, all K networks and all time steps in one product a layer.

Currents of all networks exist at once, so memory grows with K.
Oracle: tests/bench/test_forward.py.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from bayesnn_spike.bench.baselines.source import Source, laid_out
from bayesnn_spike.bench.baselines.torch_fused_t import fire_
from bayesnn_spike.bench.layers import Conv, Dense, Flat, Layer, Neurons, Pool


def sampled(
    layers: Sequence[Layer], dtype: torch.dtype = torch.float32
) -> Callable[[Tensor, Source], Tensor]:
    """Return `run(spikes, source)`: K networks side by side.

    The first layer multiplies the shared spikes with the weights of all networks as one tall
    matrix; later layers are `bmm` and grouped convolutions. R is T * B.
    """

    @torch.inference_mode()
    def run(spikes: Tensor, source: Source) -> Tensor:
        steps, draws, weights = len(spikes), source.draws, source.all()
        x, shared = laid_out(spikes.to(dtype).flatten(0, 1)), True  # [R, *in], later [R, K, *f]
        for layer in layers:
            match layer:
                case Dense():
                    x = _dense(x, weights[f"{layer.name}.weight"], shared).mul_(layer.scale)
                    shared = False
                case Conv():
                    x = _conv(x, weights[f"{layer.name}.weight"], layer, shared).mul_(layer.scale)
                    shared = False
                case Neurons():
                    fire_(x.unflatten(0, (steps, -1)))
                case Pool():
                    x = F.max_pool2d(x.flatten(1, 2), layer.side).unflatten(1, (draws, -1))
                case Flat():
                    x = x.flatten(1 if shared else 2)
        logits = x.float().unflatten(0, (steps, -1)).mean(0)  # [B, K, C]
        return logits.transpose(0, 1).softmax(-1)

    return run


def _dense(x: Tensor, weight: Tensor, shared: bool) -> Tensor:
    """`[R, N]` or `[R, K, N]` with `[K, M, N]` to `[R, K, M]`."""
    if shared:
        return F.linear(x, weight.flatten(0, 1)).unflatten(1, weight.shape[:2])
    return torch.bmm(x.transpose(0, 1), weight.mT).transpose(0, 1)


def _conv(x: Tensor, weight: Tensor, layer: Conv, shared: bool) -> Tensor:
    """`[R, C, H, W]` or `[R, K, C, H, W]` with `[K, O, C, h, w]` to `[R, K, O, H, W]`."""
    draws = len(weight)
    maps = F.conv2d(
        x if shared else x.flatten(1, 2),
        laid_out(weight.flatten(0, 1)),
        padding=layer.padding,
        groups=1 if shared else draws,
    )
    return maps.unflatten(1, (draws, -1))
