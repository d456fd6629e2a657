"""Signed rate code: one spike of -1 or +1 per value and time step, with probability |value|.

A spike is a 31-bit word below round(|value| 2^31), so that 0 never and +-1 always fires. The words
are those of `ops.draw.random_bits` under a stream of the time step, numbered by example: they are
the same on every machine, and neither the other examples nor the other steps change one.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from bayesnn_spike.checks import require_positive
from bayesnn_spike.ops.draw import random_bits
from bayesnn_spike.rng import Stream


def signed_rate(
    images: Tensor,
    steps: int,
    stream: Stream,
    *,
    first_step: int = 0,
    first_example: int = 0,
) -> Tensor:
    """Draw sign(x) 1[U <= |x|] at every time step, independently.

    Args:
        images: `[B, *in]` in [-1, 1].
        steps: time steps T >= 1.
        stream: source of the draws.
        first_step: number of the first step drawn; steps 4 to 8 of a code are those of the whole.
        first_example: number of the first image, likewise.

    Returns:
        `[T, B, *in]` of -1, 0 and 1, dtype and device of the images.

    Raises:
        ValueError: a value is outside [-1, 1] or not finite, or `steps` < 1.

    Source: the input code of Rathi et al., ICLR 2020. Oracle: tests/encoding/test_signed_rate.py.
    """
    require_positive(steps, "steps")
    size = images.abs()
    if not bool((size <= 1).all()):
        raise ValueError(
            "signed_rate takes values in [-1, 1], because a probability is no larger, got values "
            f"from {float(images.min()):g} to {float(images.max()):g}; train and encode with the "
            "same normalisation, for instance mean 0.5 and standard deviation 0.5"
        )
    sign = images.sign()
    # limit - 1 fits a 32-bit integer where limit, up to 2^31, does not.
    limit = ((size.double() * 2.0**31).round() - 1).to(torch.int32)
    shape = tuple(images.shape[1:])
    out = images.new_empty((steps, *images.shape))
    for t in range(steps):
        words = random_bits(
            shape,
            stream=stream.child(first_step + t),
            draws=len(images),
            first=first_example,
            device=images.device,
        )
        torch.mul(sign, words <= limit, out=out[t])
    return out


@final
@dataclass(frozen=True)
class SignedRate:
    """`signed_rate` as a value.

    Attributes:
        steps: T, unless a call asks for others.
        stream: source of the draws.
    """

    steps: int
    stream: Stream

    def __post_init__(self) -> None:
        require_positive(self.steps, "SignedRate.steps")

    def encode(
        self,
        images: Tensor,
        *,
        steps: int | None = None,
        first_step: int = 0,
        first_example: int = 0,
    ) -> Tensor:
        """Return `[T, B, *in]`; see `signed_rate`."""
        return signed_rate(
            images,
            self.steps if steps is None else steps,
            self.stream,
            first_step=first_step,
            first_example=first_example,
        )
