"""The few types every layer of the package speaks."""

from typing import NamedTuple

from torch import Tensor

Weights = dict[str, Tensor]
"""Parameters by name. A leaf is `[*shape]` (one network) or `[K, *shape]` (K draws)."""


class Batch(NamedTuple):
    """One mini-batch, time first.

    Attributes:
        spikes: `[T, B, *features]`, float; 0/1 for spikes, small integers for counts.
        labels: `[B]`, int64 class indices.
    """

    spikes: Tensor
    labels: Tensor
