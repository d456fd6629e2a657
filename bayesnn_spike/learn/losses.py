"""Losses: outputs of the network and labels to one value a draw, the mean over the batch.

The time reduction decides what one example's likelihood is. `RateCrossEntropy` scores one softmax
of the time-averaged readout: one scored step. `StepCrossEntropy` scores every step: its mean over T
is 1/T of the log-likelihood, which `Temperature` has to know.
"""

import math
from dataclasses import dataclass
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor

from bayesnn_spike.checks import require_size


@final
@dataclass(frozen=True)
class RateCrossEntropy:
    """Cross-entropy of softmax(mean over time of the readout)."""

    def __call__(self, readout: Tensor, labels: Tensor) -> Tensor:
        """Map `[*K, T, B, C]` and `[B]` to `[K]`."""
        return _cross_entropy(class_logits(readout).mean(-3), labels)

    def scored_steps(self, steps: int, horizon: int | None = None) -> int:
        """Terms of one example's log-likelihood: 1, or one a chunk of `horizon` steps."""
        return 1 if horizon is None else math.ceil(steps / horizon)


@final
@dataclass(frozen=True)
class SummedCrossEntropy:
    """Cross-entropy of softmax(gain * sum over time of the readout): of a head that only adds up.

    The loss of hybrid conversion. Its logits grow with the number of steps, so that a network is as
    sharp at T steps as `RateCrossEntropy` would make it with T times the gain. The currents of a
    converted network are in units of its own; `conversion.descale(torch.ones(()), T)` as the gain
    makes them the logits of the ANN, so that training starts as confident as the ANN is and not
    many times more.

    Attributes:
        gain: positive; 1 is the published loss.

    Raises:
        TypeError: a gain that is no number.
        ValueError: a gain that is not positive and finite.

    Source: nitin-rathi/hybrid-snn-conversion @3f6832c (head without leak, threshold and reset).
    Oracle: tests/learn/test_losses.py.
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        require_size(self.gain, "SummedCrossEntropy.gain")

    def __call__(self, readout: Tensor, labels: Tensor) -> Tensor:
        """Map `[*K, T, B, C]` and `[B]` to `[K]`."""
        return _cross_entropy(self.gain * class_logits(readout).sum(-3), labels)

    def scored_steps(self, steps: int, horizon: int | None = None) -> int:
        """Terms of one example's log-likelihood: 1, or one a chunk of `horizon` steps."""
        return RateCrossEntropy().scored_steps(steps, horizon)


@final
@dataclass(frozen=True)
class StepCrossEntropy:
    """Cross-entropy of softmax(readout) at every time step, averaged over time."""

    def __call__(self, readout: Tensor, labels: Tensor) -> Tensor:
        """Map `[*K, T, B, C]` and `[B]` to `[K]`."""
        logits = class_logits(readout)
        steps = logits.shape[-3]
        flat = logits.flatten(-3, -2)  # [*K, T * B, C]
        return _cross_entropy(flat, labels.repeat(steps))

    def scored_steps(self, steps: int, horizon: int | None = None) -> int:
        """Terms of one example's log-likelihood: T, however they are cut into chunks."""
        del horizon
        return steps


@final
@dataclass(frozen=True)
class Local:
    """The sum of a loss over the readouts of all blocks (`nn.LocalReadouts`)."""

    loss: RateCrossEntropy | SummedCrossEntropy | StepCrossEntropy = StepCrossEntropy()

    def __call__(self, readouts: tuple[Tensor, ...], labels: Tensor) -> Tensor:
        """Map a tuple of `[*K, T, B, C]` and `[B]` to `[K]`."""
        return torch.stack([self.loss(readout, labels) for readout in readouts]).sum(0)

    def scored_steps(self, steps: int, horizon: int | None = None) -> int:
        """As the inner loss; the sum over blocks is part of the loss, not of the data."""
        return self.loss.scored_steps(steps, horizon)


def class_logits(readout: Tensor) -> Tensor:
    """`[..., C]` as it is; one readout unit `[..., 1]` becomes the two-class logits (0, r)."""
    if readout.shape[-1] == 1:
        return torch.cat([torch.zeros_like(readout), readout], -1)
    return readout


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """`[*K, N, C]` and `[N]` to `[K]`."""
    logits = logits if logits.ndim == 3 else logits[None]
    draws, count, _ = logits.shape
    flat = F.cross_entropy(logits.flatten(0, 1), labels.repeat(draws), reduction="none")
    return flat.view(draws, count).mean(1)
