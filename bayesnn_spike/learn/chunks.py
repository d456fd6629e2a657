"""What a chunk of time steps is to a rule: a step of its own, or a part of one step.

    learner(rule, network, loss, horizon=25)                              # a step every chunk
    learner(rule, network, loss, horizon=25, chunks=Accumulate())         # a step every batch
    learner(rule, network, loss, horizon=25, chunks=Accumulate(running=True))   # HSC0's loss

In all of them the gradient stops at the start of a chunk, and memory is that of one chunk.
Oracle: tests/learn/test_chunks.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from bayesnn_spike.learn.credit import Credit, Draw, credit
from bayesnn_spike.nn.state import map_state


@final
@dataclass(frozen=True)
class StepEach:
    """A draw and a step of the rule for every chunk: online learning, many steps a batch."""


@final
@dataclass(frozen=True)
class Accumulate:
    """One draw and one step of the rule a batch, along the gradients of all chunks together.

    Losses and gradients of the chunks are averaged, each with its share of the steps. A loss that
    is a mean over time steps then has its full gradient, but for what states carry from chunk to
    chunk. Other losses are those of the chunks: with `SummedCrossEntropy` each chunk decides by its
    own readout.

    Args:
        running: the loss of a chunk is that of the readout since the start of learning, the earlier
            part of it a constant, and gradients are added up. `RateCrossEntropy` is then
            CE(U_t / t) at the end of every chunk, as in the paper's first code. Early steps count
            in many losses, so this is no likelihood: leave it to rules without a temperature.

    Source: `update_interval` of nitin-rathi/hybrid-snn-conversion @d1c5ca4 (running).
    """

    running: bool = False


Chunks = StepEach | Accumulate


def accumulate(
    network: nn.Module,
    loss: Callable[[Any, Tensor], Tensor],
    draw: Callable[[], Draw],
    pieces: Sequence[Tensor],
    labels: Tensor,
    state: Any,
    *,
    running: bool,
) -> tuple[Draw, Credit, Tensor]:
    """Return what one draw cost over all chunks of a batch.

    Args:
        network: `forward(x, state) -> (outputs, state)`.
        loss: maps (outputs, labels) to `[K]`.
        draw: makes the same draw every time; a chunk's backward pass uses one up.
        pieces: spikes of the chunks, `[t, B, *in]` each, at least one.
        labels: `[B]`.
        state: before the first chunk.
        running: see `Accumulate`.

    Returns:
        The draw, the credit, and the mean loss over draws and chunks.
    """
    total = sum(len(piece) for piece in pieces)
    seen = _Running(loss) if running else loss
    sums: Credit | None = None
    for piece in pieces:
        drawn = draw()
        cost, state = credit(network, seen, drawn, piece, labels, state)
        sums = _added(sums, cost, 1.0 if running else len(piece) / total)
    mean = sums.losses.mean()
    return drawn, sums, mean / len(pieces) if running else mean


def _added(sums: Credit | None, cost: Credit, weight: float) -> Credit:
    losses = cost.losses * weight
    grads = {name: grad * weight for name, grad in cost.grads.items()}
    if sums is None:
        return Credit(losses, grads)
    return Credit(sums.losses + losses, {n: sums.grads[n] + g for n, g in grads.items()})


@final
class _Running:
    """A loss of the outputs since its first call; those of earlier calls are constants."""

    def __init__(self, loss: Callable[[Any, Tensor], Tensor]) -> None:
        self.loss, self.before = loss, None

    def __call__(self, outputs: Any, labels: Tensor) -> Tensor:
        whole = outputs if self.before is None else _joined(self.before, outputs)
        self.before = map_state(torch.Tensor.detach, whole)
        return self.loss(whole, labels)


def _joined(first: Any, second: Any) -> Any:
    """Join readouts `[*K, t, B, C]`, or tuples of them, in time."""
    if isinstance(first, tuple):
        return tuple(_joined(one, two) for one, two in zip(first, second, strict=True))
    return torch.cat([first, second], -3)
