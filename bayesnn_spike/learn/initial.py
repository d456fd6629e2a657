"""First latents of a rule, as values: what a parameter's real value starts from."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from bayesnn_spike.checks import require_positive
from bayesnn_spike.ops.draw import draw_signs
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


@final
@dataclass(frozen=True)
class CoinFlip:
    """+magnitude or -magnitude with equal chance.

    The published start of BiSNN (10) and BayesBiNN (10, 15): a confident random binary network,
    not the prior.
    """

    magnitude: float

    def __post_init__(self) -> None:
        require_positive(self.magnitude, "CoinFlip.magnitude")

    def __call__(self, like: Tensor, stream: Stream) -> Tensor:
        return self.magnitude * draw_signs(torch.zeros_like(like), stream=stream)[0]


@final
@dataclass(frozen=True)
class Uniform:
    """Uniform in [-bound, bound)."""

    bound: float

    def __post_init__(self) -> None:
        require_positive(self.bound, "Uniform.bound")

    def __call__(self, like: Tensor, stream: Stream) -> Tensor:
        u = torch.rand(
            like.shape,
            generator=stream.generator(like.device),
            dtype=like.dtype,
            device=like.device,
        )
        return (2 * u - 1) * self.bound


@final
@dataclass(frozen=True)
class Normal:
    """Normal with mean 0."""

    deviation: float

    def __post_init__(self) -> None:
        require_positive(self.deviation, "Normal.deviation")

    def __call__(self, like: Tensor, stream: Stream) -> Tensor:
        z = torch.randn(
            like.shape,
            generator=stream.generator(like.device),
            dtype=like.dtype,
            device=like.device,
        )
        return z * self.deviation


@final
@dataclass(frozen=True)
class Given:
    """The parameters handed to `init`, as they are: fine-tuning, conversion, continual learning."""

    def __call__(self, like: Tensor, stream: Stream) -> Tensor:
        del stream
        return like.clone()


Initial = CoinFlip | Uniform | Normal | Given


def initialise(initial: Initial, params: Weights, stream: Stream) -> Weights:
    """Latents for parameters by name; each parameter has its own child stream."""
    return {name: initial(p.detach(), stream.child(name)) for name, p in params.items()}
