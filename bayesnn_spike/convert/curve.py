"""Accuracy against the number of time steps, all of it from one run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from bayesnn_spike.checks import require_kind, require_whole
from bayesnn_spike.convert.check import (
    require_fit,
    require_images,
    require_labels,
    require_network,
    weight_of,
)
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
        readouts: sums over the steps that count of the first T, `[S, N, C]`.
        starts: how many of the first steps do not count, for each T.
        silent: share of images whose readout no spike has reached in the steps that count: it is
            the same for all of them, that of the last layer's bias, and so is the answer. Empty
            where nobody looked.
    """

    steps: tuple[int, ...]
    accuracy: tuple[float, ...]
    readouts: Tensor
    starts: tuple[int, ...]
    silent: tuple[float, ...] = ()

    @property
    def counted(self) -> tuple[int, ...]:
        """How many steps each readout is the sum of: what `Conversion.descale` asks for."""
        return tuple(t - start for t, start in zip(self.steps, self.starts, strict=True))

    def __str__(self) -> str:
        columns = [("steps", *map(str, self.steps))]
        columns.append(("accuracy", *(f"{share:.2%}" for share in self.accuracy)))
        if any(self.silent):
            columns.append(("silent", *(f"{share:.2%}" for share in self.silent)))
        return align(list(zip(*columns, strict=True)))


@torch.no_grad()
def curve(
    network: Graph,
    images: Tensor,
    labels: Tensor,
    *,
    encoder: Direct | SignedRate,
    steps: Sequence[int] = STEPS,
    batch_size: int = 50,
    delay: int = 0,
    window: int = 4,
) -> Curve:
    """Return readouts and accuracy after each of several numbers of steps.

    A batch of images runs once, in chunks of steps with carried state, and its summed readout is
    written down on the way: memory does not grow with T.

    A chain runs by its spikes. Where forward hooks are registered it runs as a module instead, in
    chunks of steps, so that they are called.

    Args:
        network: a converted network.
        images: `[N, *in]`.
        labels: `[N]` classes.
        encoder: of the images; its own `steps` do not count.
        steps: the numbers of steps T, positive.
        batch_size: images at a time; it changes nothing but time and memory.
        delay: first steps that do not count, see `estimate_delay`: deep layers have not heard of
            the input yet. 0 is the paper's readout.
        window: steps that count at least; at a T below delay + window the delay is shorter.

    Raises:
        TypeError: no converted network but for instance a Conversion, an encoder of another kind,
            or steps that are one number.
        ValueError: no steps, numbers that are not whole, labels that are not N classes of the
            readout, images that do not fit (they are checked before anything runs), or too few
            steps for a network in the delayed order.

    Source: the delayed readout over (t0, T] of local threshold balancing (CVPR 2025), as restated
    in the literature. Oracle: tests/convert/test_curve.py.
    """
    require_network(network)
    require_kind(encoder, "encoder", Direct, SignedRate)
    if not isinstance(steps, Iterable):
        raise TypeError(f"steps must be several numbers of steps, as ({steps},), got {steps!r}")
    steps = tuple(steps)
    if not steps:
        raise ValueError("steps must be positive numbers, got ()")
    for t in steps:
        require_whole(t, "steps")
    wanted = sorted({int(t) for t in steps})
    require_whole(batch_size, "batch_size")
    if delay < 0 or window < 1:
        raise ValueError(f"delay must be 0 or more and window 1 or more, got {delay}, {window}")
    if delay:
        require_whole(delay, "delay")
    require_whole(window, "window")
    require_images(images, like=weight_of(network), shape=None)
    quiet = require_fit(network, images)
    labels = require_labels(labels, len(images), len(quiet))
    network.require_steps(wanted[0])
    starts = [max(0, min(delay, t - window)) for t in wanted]
    readouts, silent = [], []
    for first in range(0, len(images), batch_size):
        some = images[first : first + batch_size]
        chunks = run(network, some, encoder, wanted[-1], first_example=first)
        seen = _sums(chunks, quiet, {*wanted, *starts})
        pairs = [(seen[t], seen[s]) for t, s in zip(wanted, starts, strict=True)]
        readouts.append(torch.stack([now[0] - before[0] for now, before in pairs]))
        silent.append(torch.stack([now[1] == before[1] for now, before in pairs]))
    summed = torch.cat(readouts, 1)
    right = (summed.argmax(-1) == labels.to(summed.device)).double().mean(1)
    unheard = torch.cat(silent, 1).double().mean(1)
    accuracy, share = tuple(right.tolist()), tuple(unheard.tolist())
    return Curve(tuple(wanted), accuracy, summed, tuple(starts), share)


def _sums(
    chunks: Iterable[Tensor], quiet: Tensor, wanted: set[int]
) -> dict[int, tuple[Tensor, Tensor]]:
    """What one batch has after some numbers of steps.

    Args:
        chunks: readouts `[t, B, C]`.
        quiet: `[C]`, the readout of a step without spikes.
        wanted: the numbers of steps; after 0 steps all is 0.

    Returns:
        The summed readout `[B, C]`, and how many steps were not quiet, `[B]`.
    """
    found, total, heard, done = {}, 0, 0, 0
    for readout in chunks:
        sums = readout.cumsum(0) + total
        counts = (readout != quiet).any(-1).cumsum(0) + heard
        here = {t for t in wanted if done < t <= done + len(readout)}
        found |= {t: (sums[t - done - 1], counts[t - done - 1]) for t in here}
        total, heard, done = sums[-1], counts[-1], done + len(readout)
    return found | {0: (torch.zeros_like(total), torch.zeros_like(heard))}
