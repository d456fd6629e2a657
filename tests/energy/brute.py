"""Counting by looking at every input of every step: what the package must get without looking."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bayesnn_spike.neurons import IF
from bayesnn_spike.nn import Conv2d, Flatten, Fold, Linear, Sequential
from bayesnn_spike.rng import Stream


def near(value: Any) -> Any:
    """Equal to six digits, whatever the size: energies are far below approx's own 1e-12."""
    return pytest.approx(value, rel=1e-6, abs=0)


def spikes_like(*shape: int, rate: float = 0.3, seed: int = 0) -> Tensor:
    """Zeros and ones."""
    generator = Stream(seed).generator()
    return (torch.rand(shape, generator=generator) < rate).float()


def numbers_like(*shape: int, seed: int = 0) -> Tensor:
    """Normal numbers, none of them 0."""
    return torch.randn(shape, generator=Stream(seed).generator())


def filled(network: nn.Module, seed: int = 0) -> nn.Module:
    """Give every parameter normal numbers."""
    for index, parameter in enumerate(network.parameters()):
        parameter.data = numbers_like(*parameter.shape, seed=seed + index)
    return network


def small_snn(*, bias: bool = False) -> Sequential:
    """Convolution with padding, pooling of its spikes, a stride, a head: 6x6 maps."""
    return filled(
        Sequential(
            conv=Conv2d(2, 3, 3, padding=1, gain=2.0, bias=bias),
            fire=IF(feature_dims=3),
            pool=Fold(nn.AvgPool2d(2), feature_dims=3),
            strided=Conv2d(3, 4, 2, stride=2, padding=1, gain=2.0),
            fire2=IF(feature_dims=3),
            flat=Flatten(),
            head=Linear(16, 5),
        )
    )


def inputs_of(network: nn.Module, x: Tensor, names: list[str]) -> dict[str, Tensor]:
    """What the named layers get when the network runs."""
    seen: dict[str, Tensor] = {}
    modules = dict(network.named_modules())
    hooks = [
        modules[n].register_forward_hook(lambda _m, a, _o, n=n: seen.__setitem__(n, a[0]))
        for n in names
    ]
    with torch.no_grad():
        network(x)
    for hook in hooks:
        hook.remove()
    return seen


def reached(feature: Tensor, weight: Tensor, **geometry) -> float:
    """Sum over single inputs: |value| times the outputs that a nonzero weight brings it to."""
    used = (weight != 0).double()
    total = 0.0
    for place in feature.nonzero().tolist():
        one = torch.zeros_like(feature, dtype=torch.float64)
        one[tuple(place)] = 1.0
        hit = F.linear(one, used) if feature.ndim == 1 else F.conv2d(one[None], used, **geometry)
        total += float(feature[tuple(place)].abs()) * float(hit.sum())
    return total


def reached_by_all(x: Tensor, feature_dims: int, weight: Tensor, **geometry) -> float:
    """`reached`, over all leading axes."""
    return sum(reached(one, weight, **geometry) for one in x.flatten(0, -feature_dims - 1))
