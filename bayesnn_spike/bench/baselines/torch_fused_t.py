"""PyTorch, one network at a time, its products over all time steps at once.

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
    """Return `run(spikes, source)`: K networks, each layer by layer.

    Convolutions run channels-last, which is faster on CPUs; membranes stay in float32.
    """

    @torch.inference_mode()
    def run(spikes: Tensor, source: Source) -> Tensor:
        steps = len(spikes)
        x = laid_out(spikes.to(dtype).flatten(0, 1))
        rows = []
        for k in range(source.draws):
            logits = all_steps(layers, x, source.one(k), steps, lambda _, current: fire_(current))
            rows.append(logits.float().unflatten(0, (steps, -1)).mean(0))
        return torch.stack(rows).softmax(-1)

    return run


def all_steps(
    layers: Sequence[Layer],
    x: Tensor,
    weights: Weights,
    steps: int,
    neurons: Callable[[Neurons, Tensor], Tensor],
) -> Tensor:
    """Run a network layer by layer, each over all time steps at once.

    Args:
        layers: of the network.
        x: spikes `[T * B, *in]`.
        weights: by name.
        steps: T.
        neurons: turns a layer's currents `[T, B, *features]` into spikes.

    Returns:
        Readouts `[T * B, C]`.
    """
    for layer in layers:
        match layer:
            case Dense():
                x = F.linear(x, weights[f"{layer.name}.weight"]).mul_(layer.scale)
            case Conv():
                weight = weights[f"{layer.name}.weight"]
                x = F.conv2d(x, weight, padding=layer.padding).mul_(layer.scale)
            case Neurons():
                x = neurons(layer, x.unflatten(0, (steps, -1))).flatten(0, 1)
            case Pool():
                x = F.max_pool2d(x, layer.side)
            case Flat():
                x = x.flatten(1)
    return x


def firing() -> Callable[[Tensor], Tensor]:
    """Return `run(current [T, ...])` to spikes; the currents are kept."""
    return torch.inference_mode()(lambda current: _fire_into(current, torch.empty_like(current)))


def fire_(current: Tensor) -> Tensor:
    """Turn currents `[T, ...]` into spikes where they lie."""
    return _fire_into(current, current)


def _fire_into(current: Tensor, out: Tensor) -> Tensor:
    v = torch.zeros_like(current[0], dtype=torch.float32)
    for step, spikes in zip(current, out, strict=True):
        v.mul_(BETA).add_(step)
        torch.ge(v, THRESHOLD, out=spikes)
        v.sub_(spikes)
    return out


def readout(layers: Sequence[Layer], spikes: Tensor, weights: Weights) -> Tensor:
    """Return logits `[B, C]` with gradients to the weights; for training."""
    steps = len(spikes)
    x = spikes.flatten(0, 1)
    x = all_steps(layers, x, weights, steps, lambda _, current: _fire(current))
    return x.unflatten(0, (steps, -1)).mean(0)


def _fire(current: Tensor) -> Tensor:
    v: Tensor | None = None
    spikes = []
    for step in current:
        u = step if v is None else BETA * v + step
        spikes.append(spike(u - THRESHOLD))
        v = u - THRESHOLD * spikes[-1].detach()
    return torch.stack(spikes)
