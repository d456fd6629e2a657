"""Where a baseline's weights come from: drawn inside the timed call, or handed in to be checked.

Oracle: tests/bench/baselines/test_source.py.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights


class Source(ABC):
    """K sets of binary weights by name."""

    draws: int

    @abstractmethod
    def one(self, k: int) -> Weights:
        """Return the weights of draw k, `[*shape]`; they are valid until the next call."""

    @abstractmethod
    def all(self) -> Weights:
        """Return the weights of all draws, `[K, *shape]`; valid until the next call."""


@final
@dataclass(frozen=True, eq=False)
class Given(Source):
    """Weights that are there.

    Attributes:
        weights: `[K, *shape]` by name.
        dtype: in which they are returned.
    """

    weights: Weights
    dtype: torch.dtype = torch.float32

    @property
    def draws(self) -> int:
        """K."""
        return len(next(iter(self.weights.values())))

    def one(self, k: int) -> Weights:
        return {name: laid_out(values[k].to(self.dtype)) for name, values in self.weights.items()}

    def all(self) -> Weights:
        return {name: values.to(self.dtype) for name, values in self.weights.items()}


@final
@dataclass(frozen=True, eq=False)
class Drawn(Source):
    """Weights drawn by `torch.bernoulli_` into memory that is kept from call to call.

    Attributes:
        probabilities: of +1, `[*shape]` by name, float32; made from the logits once.
        draws: K.
        stream: seeds torch's generator.
        dtype: of the weights.
    """

    probabilities: Weights
    draws: int
    stream: Stream
    dtype: torch.dtype = torch.float32
    _kept: dict[tuple[str, int], Tensor] = field(default_factory=dict)
    _generator: list[torch.Generator] = field(default_factory=list)

    @staticmethod
    def of(logits: Weights, draws: int, stream: Stream, dtype: torch.dtype) -> "Drawn":
        """Turn logits into probabilities once: they do not change from forward to forward."""
        probabilities = {
            name: laid_out(torch.sigmoid(2 * values)) for name, values in logits.items()
        }
        return Drawn(probabilities, draws, stream, dtype)

    def one(self, k: int) -> Weights:
        del k
        return {name: self._signs(name, p) for name, p in self.probabilities.items()}

    def all(self) -> Weights:
        return {
            name: self._signs(name, p.expand(self.draws, *p.shape))
            for name, p in self.probabilities.items()
        }

    def _signs(self, name: str, probabilities: Tensor) -> Tensor:
        if not self._generator:
            self._generator.append(self.stream.generator(probabilities.device))
        key = (name, probabilities.ndim)
        if key not in self._kept:
            # Strides as the probabilities have them; an expanded axis becomes a real one.
            self._kept[key] = torch.empty_like(probabilities, dtype=self.dtype)
        signs = self._kept[key].bernoulli_(probabilities, generator=self._generator[0])
        return signs.mul_(2).sub_(1)


def one_by_one(
    network: Callable[[Tensor, Weights], Tensor],
) -> Callable[[Tensor, Source], Tensor]:
    """Return `run(spikes, source)`: K networks one after the other, to probabilities `[K, B, C]`.

    Args:
        network: maps (spikes, weights of one draw) to logits `[B, C]`.
    """

    @torch.inference_mode()
    def run(spikes: Tensor, source: Source) -> Tensor:
        rows = [network(spikes, source.one(k)) for k in range(source.draws)]
        return torch.stack(rows).softmax(-1)

    return run


def laid_out(values: Tensor) -> Tensor:
    """Store kernels and batches of maps channels-last: convolutions on CPUs are faster so."""
    return values.contiguous(memory_format=torch.channels_last) if values.ndim == 4 else values
