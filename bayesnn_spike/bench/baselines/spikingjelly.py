"""SpikingJelly in multi-step mode: its `LIFNode`, the products over all time steps at once.

The node's leak is `v - v / tau`, which rounds otherwise than `beta v`: a membrane that ends within
a rounding error of the threshold may fire here and not there.
Oracle: tests/bench/baselines/test_spikingjelly.py, tests/bench/test_forward.py,
tests/bench/test_train.py.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bayesnn_spike.bench.baselines.source import Source, laid_out, one_by_one
from bayesnn_spike.bench.baselines.straight_through import SLOPE
from bayesnn_spike.bench.layers import BETA, THRESHOLD, Conv, Dense, Flat, Layer, Neurons, Pool
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
    node = _node().to(device)

    @torch.inference_mode()
    def run(current: Tensor) -> Tensor:
        node.reset()
        return node(current)

    return run


def _network(layers: Sequence[Layer], dtype: torch.dtype) -> Callable[[Tensor, Weights], Tensor]:
    from spikingjelly.activation_based.functional import seq_to_ann_forward

    nodes = {layer.name: _node() for layer in layers if isinstance(layer, Neurons)}

    def forward(spikes: Tensor, weights: Weights) -> Tensor:
        x = laid_out(spikes.to(dtype).flatten(0, 1)).unflatten(0, spikes.shape[:2])
        for layer in layers:
            match layer:
                case Dense():
                    product = partial(F.linear, weight=weights[f"{layer.name}.weight"])
                    x = seq_to_ann_forward(x, product).mul_(layer.scale)
                case Conv():
                    weight = weights[f"{layer.name}.weight"]
                    product = partial(F.conv2d, weight=weight, padding=layer.padding)
                    x = seq_to_ann_forward(x, product).mul_(layer.scale)
                case Neurons():
                    nodes[layer.name].reset()
                    x = nodes[layer.name](x)
                case Pool():
                    x = seq_to_ann_forward(x, partial(F.max_pool2d, kernel_size=layer.side))
                case Flat():
                    x = x.flatten(2)
        return x.mean(0)

    return forward


def _node() -> Any:
    from spikingjelly.activation_based.neuron import LIFNode
    from spikingjelly.activation_based.surrogate import SoftSign

    return LIFNode(
        tau=round(1 / (1 - BETA), 9),
        decay_input=False,
        v_threshold=THRESHOLD,
        v_reset=None,
        surrogate_function=SoftSign(alpha=SLOPE),
        detach_reset=True,
        step_mode="m",
    )
