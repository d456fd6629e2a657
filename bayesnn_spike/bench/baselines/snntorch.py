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
from torch import Tensor

from bayesnn_spike.bench.baselines.source import Source, laid_out, one_by_one
from bayesnn_spike.bench.baselines.straight_through import SLOPE
from bayesnn_spike.bench.baselines.torch_fused_t import all_steps
from bayesnn_spike.bench.layers import BETA, THRESHOLD, Layer, Neurons
from bayesnn_spike.types import Weights


def sampled(
    layers: Sequence[Layer], dtype: torch.dtype = torch.float32
) -> Callable[[Tensor, Source], Tensor]:
    """Return `run(spikes, source)`: K networks, each layer by layer."""
    return one_by_one(_network(layers, dtype))


def readout(layers: Sequence[Layer]) -> Callable[[Tensor, Weights], Tensor]:
    """Return `run(spikes, weights)` to logits `[B, C]` with gradients; for training."""
    return _network(layers, torch.float32)


def firing(device: torch.device) -> Callable[[Tensor], Tensor]:
    """Return `run(current [T, ...])` to spikes."""
    leaky = _leaky(device)
    return torch.inference_mode()(lambda current: _fire(leaky, current))


def _network(layers: Sequence[Layer], dtype: torch.dtype) -> Callable[[Tensor, Weights], Tensor]:
    leaky: dict[str, Any] = {}

    def neurons(layer: Neurons, current: Tensor) -> Tensor:
        if layer.name not in leaky:
            leaky[layer.name] = _leaky(current.device)
        return _fire(leaky[layer.name], current)

    def forward(spikes: Tensor, weights: Weights) -> Tensor:
        steps = len(spikes)
        x = laid_out(spikes.to(dtype).flatten(0, 1))
        return all_steps(layers, x, weights, steps, neurons).unflatten(0, (steps, -1)).mean(0)

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
