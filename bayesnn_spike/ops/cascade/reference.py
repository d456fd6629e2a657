"""The oracle of `cascade`: layer by layer, with the oracles of the operations of one layer."""

import torch
from torch import Tensor

from bayesnn_spike.ops.cascade.chain import Chain, Layer, Neurons
from bayesnn_spike.ops.fire import clocked_reference
from bayesnn_spike.ops.fire.spike_time import LinearRatio
from bayesnn_spike.ops.pool import reference as pool
from bayesnn_spike.ops.synapse import reference as synapse


def cascade(
    current: Tensor, chain: Chain, state: tuple[Tensor, ...], *, counts: bool
) -> tuple[Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Readout, numbers of spikes, last membranes."""
    fired, after = [], []
    for layer, membrane in zip(chain.layers, state, strict=True):
        spikes, last = _fire(current, layer.neurons, membrane)
        current = _through(spikes, layer)
        fired.append(spikes.sum(0))
        after.append(last)
    return current, tuple(fired) if counts else (), tuple(after)


def _fire(current: Tensor, neurons: Neurons, membrane: Tensor) -> tuple[Tensor, Tensor]:
    """Spikes of the current's shape, and the last membrane; without gradients no clock counts."""
    spikes, last, _ = clocked_reference.clocked_fire(
        current,
        membrane,
        torch.zeros_like(membrane, dtype=torch.int32),
        neurons.threshold,
        current.new_tensor(neurons.leak),
        time_dim=0,
        surrogate=LinearRatio(),
        order=neurons.order,
        comparison=neurons.comparison,
    )
    return spikes, last


def _through(spikes: Tensor, layer: Layer) -> Tensor:
    for side in layer.pools:
        spikes = pool.mean_pool2d(spikes, side)
    if layer.weight.ndim == 2:
        return synapse.linear(spikes.flatten(2), layer.weight, layer.bias)
    stride, padding = layer.window()
    return synapse.conv2d(spikes, layer.weight, layer.bias, stride=stride, padding=padding)
