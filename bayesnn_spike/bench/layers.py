"""The layers of a case as plain descriptions, from which our network and all baselines are built.

Oracle: tests/bench/test_layers.py.
"""

import math
from dataclasses import dataclass
from typing import final

BETA, THRESHOLD = 0.9, 1.0
"""Leak a step and threshold of every neuron; soft reset."""


@final
@dataclass(frozen=True)
class Dense:
    """Currents `scale * W x` of a fully connected layer."""

    name: str
    n_in: int
    n_out: int
    gain: float

    @property
    def scale(self) -> float:
        """gain / sqrt(fan_in)."""
        return self.gain / math.sqrt(self.n_in)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weight."""
        return (self.n_out, self.n_in)


@final
@dataclass(frozen=True)
class Conv:
    """Currents `scale * (W * x)` of a square convolution that keeps the size of the map."""

    name: str
    c_in: int
    c_out: int
    kernel: int
    gain: float

    @property
    def scale(self) -> float:
        """gain / sqrt(fan_in)."""
        return self.gain / math.sqrt(self.c_in * self.kernel**2)

    @property
    def padding(self) -> int:
        """Zeros on every side."""
        return self.kernel // 2

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weight."""
        return (self.c_out, self.c_in, self.kernel, self.kernel)


@final
@dataclass(frozen=True)
class Neurons:
    """Leaky neurons with threshold and soft reset, over `feature_dims` trailing axes."""

    name: str
    feature_dims: int


@final
@dataclass(frozen=True)
class Pool:
    """Maximum over squares of `side`: a spike if one of them spikes."""

    name: str
    side: int


@final
@dataclass(frozen=True)
class Flat:
    """Maps to vectors."""

    name: str


Layer = Dense | Conv | Neurons | Pool | Flat
