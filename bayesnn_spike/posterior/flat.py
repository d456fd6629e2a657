"""All weights of a network as one row of numbers, and back."""

from collections.abc import Mapping
from math import prod

import torch
from torch import Tensor

from bayesnn_spike.checks import require_shape
from bayesnn_spike.types import Weights
from bayesnn_spike.weights import dense

Shapes = Mapping[str, tuple[int, ...]]
"""Names of parameters and the shape of one network's, in the order of the network."""


def shapes_of(params: Weights) -> dict[str, tuple[int, ...]]:
    """Return names and shapes of parameters `{name: [*shape]}`."""
    return {name: tuple(p.shape) for name, p in params.items()}


def size_of(shapes: Shapes) -> int:
    """Return d, the number of weights of one network."""
    return sum(prod(shape) for shape in shapes.values())


def flatten(weights: Weights) -> Tensor:
    """Return weights `{name: [K, *shape]}` as rows `[K, d]`, in the order of the dictionary."""
    return torch.cat([dense(w).flatten(1) for w in weights.values()], dim=1)


def unflatten(rows: Tensor, shapes: Shapes) -> Weights:
    """Return rows `[K, d]` as weights `{name: [K, *shape]}`.

    Raises:
        ValueError: a row has not d numbers.

    Oracle: tests/posterior/test_flat.py.
    """
    require_shape(rows, "rows", (len(rows), size_of(shapes)))
    parts = rows.split([prod(shape) for shape in shapes.values()], dim=1)
    return {
        name: part.reshape(len(rows), *shape)
        for (name, shape), part in zip(shapes.items(), parts, strict=True)
    }
