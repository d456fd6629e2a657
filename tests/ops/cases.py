"""Inputs for the tests of the operations: spikes, signs and values on a lattice, all seeded."""

import torch
from torch import Tensor

from bayesnn_spike.rng import Stream


def spikes(*shape: int, seed: int = 0, rate: float = 0.3, dtype: torch.dtype = torch.float32):
    """0/1 with the given rate."""
    generator = Stream(seed).child("spikes").generator()
    return (torch.rand(shape, generator=generator) < rate).to(dtype)


def signs(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """-1/+1 with equal chance."""
    generator = Stream(seed).child("signs").generator()
    return (2 * torch.randint(0, 2, shape, generator=generator) - 1).to(dtype)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Standard normal."""
    generator = Stream(seed).child("normal").generator()
    return torch.randn(shape, generator=generator, dtype=dtype)


def lattice(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Multiples of 1/4 in [-2, 2]: sums and halves of a few are exact in float32."""
    generator = Stream(seed).child("lattice").generator()
    return torch.randint(-8, 9, shape, generator=generator).to(dtype) / 4
