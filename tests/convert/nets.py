"""Small networks of `torch.nn` for the tests of conversion, with weights from seeds."""

from collections import OrderedDict
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def seeded(net: nn.Module, seed: int = 0) -> nn.Module:
    """Draw weights of unit gain and small biases, and statistics of batch norm, from a seed."""
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            fan_in = module.weight[0].numel()
            nn.init.normal_(module.weight, 0, (2 / fan_in) ** 0.5, generator=generator)
            if module.bias is not None:
                nn.init.normal_(module.bias, 0, 0.1, generator=generator)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1, generator=generator)
            nn.init.uniform_(module.running_var, 0.5, 2, generator=generator)
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(module.bias, 0, 0.1, generator=generator)
    return net.eval()


def images(*shape: int, seed: int = 1) -> Tensor:
    """Uniform numbers in [0, 1)."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def mlp(bias: bool = False) -> nn.Module:
    """50-64-64-64-10, as in the specification's test of convergence."""
    sizes = [50, 64, 64, 64, 10]
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after, bias=bias), nn.ReLU()]
    return seeded(nn.Sequential(*layers[:-1]))


def chain() -> nn.Module:
    """Convolutions, average pools, dropout and linear layers without bias, all named."""
    return seeded(
        nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(1, 4, 3, padding=1, bias=False),
                relu1=nn.ReLU(),
                pool1=nn.AvgPool2d(2),
                conv2=nn.Conv2d(4, 6, 3, padding=1, bias=False),
                relu2=nn.ReLU(inplace=True),
                drop2=nn.Dropout(0.2),
                flat=nn.Flatten(),
                fc1=nn.Linear(96, 12, bias=False),
                relu3=nn.ReLU(),
                fc2=nn.Linear(12, 5, bias=False),
            )
        )
    )


class Block(nn.Module):
    """Two convolutions with batch norm and a shortcut, in functional style."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(before, after, 3, stride, 1)
        self.norm1 = nn.BatchNorm2d(after)
        self.two = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        same = stride == 1 and before == after
        self.short = nn.Identity() if same else nn.Conv2d(before, after, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.one(x)))
        y = self.norm2(self.two(y))
        return torch.relu(y + self.short(x))


class Residual(nn.Module):
    """A stem, two blocks, the mean over the map, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.pool = nn.AvgPool2d(2)
        self.blocks = nn.Sequential(Block(6, 6, 1), Block(6, 8, 2))
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.pool(self.act(self.stem(x))))
        x = F.adaptive_avg_pool2d(x, 1)
        return self.head(x.view(x.size(0), -1))


def residual() -> nn.Module:
    """A `Residual` with weights from a seed."""
    return seeded(Residual())


class Function(nn.Module):
    """Any function as a network, with layers that it may call."""

    def __init__(self, function, **layers: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)
