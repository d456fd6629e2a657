"""snnTorch: its `Leaky` neuron step by step, the products over all time steps at once.

`Leaky`'s own reset comes one step late and is not subject to the leak; the neuron of the cases
resets at once. So it runs without a reset and the threshold is taken off outside, which costs an
operation less than its own. It fires above its threshold, the cases at it: hence the float just
below 1. Oracle: tests/bench/baselines/test_snntorch.py, tests/bench/test_forward.py,
tests/bench/test_train.py.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bayesnn_spike.bench.baselines.source import Source, laid_out
from bayesnn_spike.bench.baselines.straight_through import SLOPE
from bayesnn_spike.bench.layers import BETA, THRESHOLD, Conv, Dense, Flat, Layer, Neurons, Pool
from bayesnn_spike.types import Weights


def sampled(
    layers: Sequence[Layer], dtype: torch.dtype = torch.float32
) -> Callable[[Tensor, Source], Tensor]:
    """Return `run(spikes, source)`: K networks, each layer by layer."""
    forward = _network(layers, dtype)

    @torch.inference_mode()
    def run(spikes: Tensor, source: Source) -> Tensor:
        rows = [forward(spikes, source.one(k)) for k in range(source.draws)]
        return torch.stack(rows).softmax(-1)

    return run


def readout(layers: Sequence[Layer]) -> Callable[[Tensor, Weights], Tensor]:
    """Return `run(spikes, weights)` to logits `[B, C]` with gradients; for training."""
    return _network(layers, torch.float32)


def firing(device: torch.device) -> Callable[[Tensor], Tensor]:
    """Return `run(current [T, ...])` to spikes."""
    leaky = _leaky(device)
    return torch.inference_mode()(lambda current: _fire(leaky, current))


def _network(layers: Sequence[Layer], dtype: torch.dtype) -> Callable[[Tensor, Weights], Tensor]:
    neurons: dict[str, Any] = {}

    def forward(spikes: Tensor, weights: Weights) -> Tensor:
        steps = len(spikes)
        x = laid_out(spikes.to(dtype).flatten(0, 1))
        for layer in layers:
            match layer:
                case Dense():
                    x = F.linear(x, weights[f"{layer.name}.weight"]).mul_(layer.scale)
                case Conv():
                    weight = weights[f"{layer.name}.weight"]
                    x = F.conv2d(x, weight, padding=layer.padding).mul_(layer.scale)
                case Neurons():
                    if layer.name not in neurons:
                        neurons[layer.name] = _leaky(x.device)
                    current = x.unflatten(0, (steps, -1))
                    x = _fire(neurons[layer.name], current).flatten(0, 1)
                case Pool():
                    x = F.max_pool2d(x, layer.side)
                case Flat():
                    x = x.flatten(1)
        return x.unflatten(0, (steps, -1)).mean(0)

    return forward


def _leaky(device: torch.device) -> Any:
    from snntorch import Leaky, surrogate

    return Leaky(
        beta=BETA,
        threshold=float(torch.nextafter(torch.tensor(THRESHOLD), torch.tensor(0.0))),
        reset_mechanism="none",
        spike_grad=surrogate.fast_sigmoid(slope=SLOPE),
    ).to(device)


def _fire(leaky: Any, current: Tensor) -> Tensor:
    mem = torch.zeros_like(current[0])
    spikes = []
    for step in current:
        out, mem = leaky(step, mem)
        mem = mem - out.detach()  # the threshold is 1
        spikes.append(out)
    return torch.stack(spikes)
