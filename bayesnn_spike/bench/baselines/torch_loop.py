"""PyTorch, one step of one network at a time: the loop that the equations are.

Oracle: tests/bench/test_forward.py, tests/bench/test_train.py.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from bayesnn_spike.bench.baselines.source import Source, laid_out
from bayesnn_spike.bench.baselines.straight_through import spike
from bayesnn_spike.bench.layers import BETA, THRESHOLD, Conv, Dense, Flat, Layer, Neurons, Pool
from bayesnn_spike.types import Weights


def sampled(
    layers: Sequence[Layer], dtype: torch.dtype = torch.float32
) -> Callable[[Tensor, Source], Tensor]:
    """Return `run(spikes, source)`: K networks, each step by step."""

    @torch.inference_mode()
    def run(spikes: Tensor, source: Source) -> Tensor:
        spikes = laid_out(spikes.to(dtype).flatten(0, 1)).unflatten(0, spikes.shape[:2])
        rows = [_one(layers, spikes, source.one(k)) for k in range(source.draws)]
        return torch.stack(rows).softmax(-1)

    return run


def _one(layers: Sequence[Layer], spikes: Tensor, weights: Weights) -> Tensor:
    """Logits `[B, C]` of one network; works in place wherever nothing is needed again."""
    membranes: dict[str, Tensor] = {}
    total: Tensor | None = None
    for x in spikes:
        for layer in layers:
            if isinstance(layer, Neurons):
                # A step's current is nobody else's: the first one becomes the membrane.
                v = membranes.get(layer.name)
                v = membranes[layer.name] = x if v is None else v.mul_(BETA).add_(x)
                x = (v >= THRESHOLD).to(v.dtype)
                v.sub_(x)
            else:
                x = synapse(layer, x, weights)
                if isinstance(layer, Dense | Conv):
                    x = x.mul_(layer.scale)
        total = x.float() if total is None else total.add_(x)
    return total / len(spikes)


def readout(layers: Sequence[Layer], spikes: Tensor, weights: Weights) -> Tensor:
    """Return logits `[B, C]` with gradients to the weights; for training."""
    membranes: dict[str, Tensor] = {}
    total: Tensor | float = 0.0
    for x in spikes:
        for layer in layers:
            if isinstance(layer, Neurons):
                v = membranes.get(layer.name)
                u = x if v is None else BETA * v + x
                x = spike(u - THRESHOLD)
                membranes[layer.name] = u - THRESHOLD * x.detach()
            else:
                x = synapse(layer, x, weights)
                if isinstance(layer, Dense | Conv):
                    x = x.mul_(layer.scale)
        total = total + x
    return total / len(spikes)


def synapse(layer: Layer, x: Tensor, weights: Weights) -> Tensor:
    """Run a layer that has no state on `[B, *features]`; sums are not scaled yet."""
    match layer:
        case Dense():
            return F.linear(x, weights[f"{layer.name}.weight"])
        case Conv():
            return F.conv2d(x, weights[f"{layer.name}.weight"], padding=layer.padding)
        case Pool():
            return F.max_pool2d(x, layer.side)
        case Flat():
            return x.flatten(1)
    raise TypeError(f"{layer} has state")
