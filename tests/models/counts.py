"""Counts by forward hooks on `torch.nn` modules, independent of the package's own."""

from typing import NamedTuple

import torch
from torch import nn


class Counts(NamedTuple):
    parameters: int
    macs: int  # multiplications for one image
    neurons: int  # outputs of ReLUs for one image
    layers: int  # layers of weights without 1x1 shortcuts


def count(network: nn.Module, shape: tuple[int, int, int]) -> Counts:
    """Run one image through a network and count; works on the device "meta"."""
    macs, neurons, layers = [], [], []

    def hook(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        if isinstance(module, nn.Conv2d | nn.Linear):
            # Every output is a sum over the weights of its channel or unit.
            macs.append(output[0].numel() * module.weight[0].numel())
            layers.append(getattr(module, "kernel_size", 3) != (1, 1))
        if isinstance(module, nn.ReLU):
            neurons.append(output[0].numel())

    handles = [module.register_forward_hook(hook) for module in network.modules()]
    device = next(network.parameters()).device
    with torch.no_grad():
        network(torch.zeros(1, *shape, device=device))
    for handle in handles:
        handle.remove()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Counts(parameters, sum(macs), sum(neurons), sum(layers))
