"""Accuracy against the number of time steps, all of it from one run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from bayesnn_spike.convert.report import align
from bayesnn_spike.convert.running import run
from bayesnn_spike.encoding import Direct, SignedRate
from bayesnn_spike.nn import Graph

STEPS = (4, 8, 16, 32, 64, 128, 256)


@final
@dataclass(frozen=True, eq=False)
class Curve:
    """What a network says after T steps, for several T.

    Attributes:
        steps: the T, ascending; S of them.
        accuracy: share of right answers at each, of the arg max of the summed readout.
        readouts: sums over the first T steps, `[S, N, C]`.
    """

    steps: tuple[int, ...]
    accuracy: tuple[float, ...]
    readouts: Tensor

    def __str__(self) -> str:
        rows = [(str(t), f"{a:.2%}") for t, a in zip(self.steps, self.accuracy, strict=True)]
        return align([("steps", "accuracy"), *rows])


@torch.no_grad()
def curve(
    network: Graph,
    images: Tensor,
    labels: Tensor,
    *,
    encoder: Direct | SignedRate,
    steps: Sequence[int] = STEPS,
    batch_size: int = 50,
) -> Curve:
    """Return readouts and accuracy after each of several numbers of steps.

    A batch of images runs once, in chunks of steps with carried state, and its summed readout is
    written down on the way: memory does not grow with T.

    Args:
        network: a converted network.
        images: `[N, *in]`.
        labels: `[N]` classes.
        encoder: of the images; its own `steps` do not count.
        steps: the numbers of steps T, positive.
        batch_size: images at a time; it changes nothing but time and memory.

    Raises:
        ValueError: no steps, a number of labels that is not N, or too few steps for a network in
            the delayed order.

    Oracle: tests/convert/test_curve.py.
    """
    wanted = sorted({int(t) for t in steps})
    if not wanted or wanted[0] < 1:
        raise ValueError(f"steps must be positive numbers, got {tuple(steps)}")
    if len(labels) != len(images):
        raise ValueError(f"{len(images)} images but {len(labels)} labels")
    network.require_steps(wanted[0])
    parts = []
    for first in range(0, len(images), batch_size):
        some = images[first : first + batch_size]
        parts.append(_sums(network, some, encoder, wanted, first))
    readouts = torch.cat(parts, 1)
    right = (readouts.argmax(-1) == labels.to(readouts.device)).double().mean(1)
    return Curve(tuple(wanted), tuple(right.tolist()), readouts)


def _sums(
    network: Graph, images: Tensor, encoder: Direct | SignedRate, wanted: list[int], first: int
) -> Tensor:
    """Summed readouts `[S, B, C]` of one batch."""
    total, found, done = None, [], 0
    for readout in run(network, images, encoder, wanted[-1], first_example=first):
        sums = readout.cumsum(0) if total is None else readout.cumsum(0) + total
        found += [sums[t - done - 1] for t in wanted if done < t <= done + len(readout)]
        total, done = sums[-1], done + len(readout)
    return torch.stack(found)
