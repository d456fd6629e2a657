"""What an entry of the table of operations says, and the sizes of its inputs."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

K, T, B, N, M = 3, 6, 5, 40, 33


@dataclass(frozen=True)
class Case:
    """One operation with inputs that all its implementations accept.

    Attributes:
        op: the name of the `Op`.
        call: from the inputs to a tuple of tensors.
        inputs: builds the inputs for a number of examples.
        batch: the axis of B of every input (None: it has none).
        drawn: the axis of K of every input (None: it has none).
        out_batch: the axis of B of every output; () if B means nothing here.
        smooth: inputs that have a gradient.
    """

    op: str
    call: Callable[..., tuple[Tensor, ...]]
    inputs: Callable[[int], list[Tensor]]
    batch: tuple[int | None, ...]
    drawn: tuple[int | None, ...]
    out_batch: tuple[int, ...] = ()
    smooth: tuple[int, ...] = ()
    implementations: tuple[str, ...] = ("reference",)
    dtype: torch.dtype = field(default=torch.float32)
