"""The step of hybrid training as one writes it in PyTorch, with autograd through time.

`loop` runs the network step by step. `fused` takes the products of all steps at once, that of the
constant image once, and leaves the loop to the neurons. Oracle: tests/bench/test_stdb.py.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bayesnn_spike.types import Weights

ALPHA, BETA = 0.3, 0.01
"""Height and decay of the surrogate of spike times."""
Readout = Callable[[Tensor, Weights], Tensor]


class _Spike(torch.autograd.Function):
    """1 at z >= 0; backward alpha exp(-beta dt), whatever z is."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, since: Tensor) -> Tensor:
        ctx.save_for_backward(since)
        return (z >= 0).float()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (since,) = ctx.saved_tensors
        return grad * (ALPHA * torch.exp(-BETA * since)), None


class _Neurons:
    """A layer of neurons: membrane and time since the last spike, a step at a time."""

    def __init__(self, threshold: float) -> None:
        self._threshold, self._started = threshold, False

    def step(self, current: Tensor) -> Tensor:
        if not self._started:
            self._membrane = torch.zeros_like(current)
            self._since = torch.full_like(current, 999.0)
            self._started = True
        u = self._membrane + current
        spikes = _Spike.apply(u / self._threshold - 1, self._since)
        fired = spikes.detach()
        self._membrane = u - self._threshold * fired
        self._since = torch.where(fired > 0, 1.0, self._since + 1)
        return spikes

    def run(self, currents: Tensor) -> Tensor:
        """All steps of currents `[T, ...]`."""
        return torch.stack([self.step(current) for current in currents])


def loop(thresholds: Mapping[str, float], steps: int) -> Readout:
    """Return `run(images, weights)`: the summed readout `[B, C]`, one step after the other."""

    def run(images: Tensor, weights: Weights) -> Tensor:
        neurons = {name: _Neurons(v) for name, v in thresholds.items()}
        total = torch.zeros(())
        for _ in range(steps):
            x = neurons["conv1"].step(F.conv2d(images, weights["conv1"], padding=1))
            x = F.avg_pool2d(x, 2)
            x = neurons["conv2"].step(F.conv2d(x, weights["conv2"], padding=1))
            x = neurons["conv3"].step(F.conv2d(x, weights["conv3"], padding=1))
            x = F.avg_pool2d(x, 2).flatten(1)
            x = neurons["fc1"].step(F.linear(x, weights["fc1"]))
            total = total + F.linear(x, weights["fc2"])
        return total

    return run


def fused(thresholds: Mapping[str, float], steps: int) -> Readout:
    """Return `run(images, weights)` as `loop`, layer by layer."""

    def maps(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        return function(x.flatten(0, 1)).unflatten(0, x.shape[:2])

    def run(images: Tensor, weights: Weights) -> Tensor:
        def spikes(name: str, currents: Tensor) -> Tensor:
            return _Neurons(thresholds[name]).run(currents)

        def conv(name: str, x: Tensor) -> Tensor:
            return maps(lambda y: F.conv2d(y, weights[name], padding=1), x)

        first = F.conv2d(images, weights["conv1"], padding=1)
        x = spikes("conv1", first.expand(steps, *first.shape))
        x = maps(lambda y: F.avg_pool2d(y, 2), x)
        x = spikes("conv2", conv("conv2", x))
        x = spikes("conv3", conv("conv3", x))
        x = maps(lambda y: F.avg_pool2d(y, 2), x).flatten(2)
        x = spikes("fc1", F.linear(x, weights["fc1"]))
        return F.linear(x.sum(0), weights["fc2"])

    return run
