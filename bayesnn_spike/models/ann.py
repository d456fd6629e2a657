"""What the papers' artificial networks are made of: plain `torch.nn` layers that convert exactly.

No bias and no batch norm, ReLU, average pooling, dropout: such a network is positively homogeneous,
f(c x) = c f(x), and thresholds turn it into a spiking one without touching its weights. First
weights and dropout masks come from a `Stream`; nothing here uses or moves the global generator.

Oracle: tests/models/test_ann.py.
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from bayesnn_spike.checks import require_positive
from bayesnn_spike.rng import Stream


@final
@dataclass(frozen=True)
class Published:
    """First weights of the authors' code: N(0, 2 / (k k C_out)) in convolutions, N(0, 0.01^2) else.

    The variance of a convolution is Kaiming's with the fan-out. `deviation` is of linear layers.

    Source: Rathi et al. 2020, as in nitin-rathi/hybrid-snn-conversion @3f6832c.
    """

    deviation: float = 0.01

    def __post_init__(self) -> None:
        require_positive(self.deviation, "Published.deviation")

    def spread(self, layer: nn.Module, *, head: bool) -> float:
        """Return the standard deviation of a layer's weights."""
        del head
        if isinstance(layer, nn.Conv2d):
            return math.sqrt(2 / (math.prod(layer.kernel_size) * layer.out_channels))
        return self.deviation


@final
@dataclass(frozen=True)
class FanIn:
    """First weights N(0, 2 / fan_in) (Kaiming normal); the head's are multiplied by `head_gain`.

    It keeps the activations' size from layer to layer; with a head gain below 1 the first losses
    are near log C. Source: He et al. 2015.
    """

    head_gain: float = 1.0

    def __post_init__(self) -> None:
        require_positive(self.head_gain, "FanIn.head_gain")

    def spread(self, layer: nn.Module, *, head: bool) -> float:
        """Return the standard deviation of a layer's weights."""
        return math.sqrt(2 / layer.weight[0].numel()) * (self.head_gain if head else 1.0)


@final
class StreamDropout(nn.Dropout):
    """`torch.nn.Dropout` whose masks come from a stream: call n in training draws child n of it.

    `reseed` starts it anew; do so at every epoch and training can be resumed to the same bits.
    The count of calls is no part of the state_dict, so weights load into plain networks and back.

    Args:
        rate: probability of a zero, in [0, 1].
        stream: of the masks.

    Raises:
        ValueError: the rate is outside [0, 1].

    Oracle: tests/models/test_ann.py.
    """

    def __init__(self, rate: float, stream: Stream) -> None:
        super().__init__(rate)
        self.stream, self.calls = stream, 0
        # torch.fx takes a module whole, instead of tracing into it, by the home of its class.
        self.__module__ = nn.Dropout.__module__

    def forward(self, input: Tensor) -> Tensor:
        """Map `[B, *features]` to the same shape; the identity in `eval()`."""
        if not self.training or self.p == 0 or input.is_meta:
            return input
        generator = self.stream.child(self.calls).generator(input.device)
        self.calls += 1
        kept = torch.empty_like(input).bernoulli_(1 - self.p, generator=generator)
        return input * kept / (1 - self.p) if self.p < 1 else input * kept


def reseed(network: nn.Module, stream: Stream) -> None:
    """Let every `StreamDropout` of a network start anew, each from its own child of `stream`."""
    for name, module in network.named_modules():
        if isinstance(module, StreamDropout):
            module.stream, module.calls = stream.child(name), 0


def convolution(
    before: int, after: int, kernel: int = 3, *, stride: int = 1, device: str = "cpu"
) -> nn.Conv2d:
    """Return a convolution without bias; its padding keeps the size, its weights mean nothing."""
    options = {"stride": stride, "padding": kernel // 2, "bias": False, "device": device}
    with torch.random.fork_rng(devices=[]):  # its constructor draws weights that are replaced
        return nn.Conv2d(before, after, kernel, **options)


def linear(before: int, after: int, *, device: str = "cpu") -> nn.Linear:
    """Return a linear layer without bias, whose weights mean nothing."""
    with torch.random.fork_rng(devices=[]):
        return nn.Linear(before, after, bias=False, device=device)


def initialise(network: nn.Module, init: Published | FanIn, stream: Stream, *, head: str) -> None:
    """Draw all weights of a network's convolutions and linear layers, in place.

    A layer's weights depend on its name and on `stream` only. Networks on the device "meta" have
    shapes and no weights: they are left as they are.

    Args:
        network: its layers have no biases.
        init: the distribution.
        stream: each layer draws from the child of its own name.
        head: name of the last layer.
    """
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear) and not layer.weight.is_meta:
            drawn = torch.randn(layer.weight.shape, generator=stream.child(name).generator())
            drawn *= init.spread(layer, head=name == head)
            with torch.no_grad():
                layer.weight.copy_(drawn)
