"""Chains with exact sums for the tests of `cascade`: every number is a binary fraction."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from bayesnn_spike.ops.cascade import Chain, Layer, Neurons, cascade
from tests.ops.cases import lattice


def neurons(*shape: int, seed: int = 7, **options) -> Neurons:
    """Thresholds between 1/2 and 5/2; one without a shape."""
    return Neurons(lattice(*shape, seed=seed).abs() + 0.5, **options)


def current(*shape: int, seed: int = 0) -> Tensor:
    """Currents that often reach a threshold."""
    return lattice(*shape, seed=seed) + 0.5


def maps_chain(
    shape: tuple[int, int, int],
    kernel: tuple[int, int] = (3, 3),
    *,
    outputs: int = 5,
    pools: Sequence[int] = (),
    bias: bool = True,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 1,
    **options,
) -> Chain:
    """Neurons, pools and a convolution; neurons with a threshold a channel and a linear readout."""
    # The mean over nine is no binary fraction.
    nine = 9 ** sum(side == 3 for side in pools)
    weight = lattice(outputs, shape[0], *kernel, seed=1) * nine
    first = Layer(
        neurons(**options),
        weight,
        lattice(outputs, seed=2) if bias else None,
        tuple(pools),
        stride,
        padding,
    )
    after = first.shape_after(shape)
    inputs = after[0] * after[1] * after[2]
    second = Layer(neurons(outputs, 1, 1, **options), lattice(4, inputs, seed=3))
    return Chain(shape, (first, second))


def vector_chain(sizes: Sequence[int], **options) -> Chain:
    """Linear layers; the first size is that of the first neurons, the last that of the readout."""
    layers = [
        Layer(neurons(before, seed=i, **options), lattice(after, before, seed=i + 9))
        for i, (before, after) in enumerate(pairwise(sizes))
    ]
    return Chain((sizes[0],), tuple(layers))


def everything(x: Tensor, chain: Chain, state: tuple[Tensor, ...] | None = None) -> list[Tensor]:
    """Readout, counts and state, in a row."""
    found = cascade(x, chain, state, counts=True)
    return [found.readout, *found.counts, *found.state]


def random_chain(sizes: Sequence[int], seed: int = 0) -> Chain:
    """Linear layers with weights of unit gain, on no lattice."""
    generator = torch.Generator().manual_seed(seed)
    layers = [
        Layer(
            Neurons(torch.tensor(1.0)),
            torch.randn(after, before, generator=generator) * (2 / before) ** 0.5,
        )
        for before, after in pairwise(sizes)
    ]
    return Chain((sizes[0],), tuple(layers))
