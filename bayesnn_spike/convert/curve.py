"""Accuracy against the number of time steps, all of it from one run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from bayesnn_spike.checks import require_kind, require_whole
from bayesnn_spike.convert.check import require_fit, require_images, require_network, weight_of
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
    """

    steps: tuple[int, ...]
    accuracy: tuple[float, ...]
    readouts: Tensor
    starts: tuple[int, ...]

    @property
    def counted(self) -> tuple[int, ...]:
        """How many steps each readout is the sum of: what `Conversion.descale` asks for."""
        return tuple(t - start for t, start in zip(self.steps, self.starts, strict=True))

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
    delay: int = 0,
    window: int = 4,
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
        delay: first steps that do not count, see `estimate_delay`: deep layers have not heard of
            the input yet. 0 is the paper's readout.
        window: steps that count at least; at a T below delay + window the delay is shorter.

    Raises:
        TypeError: no converted network but for instance a Conversion, an encoder of another kind,
            or steps that are one number.
        ValueError: no steps, numbers that are not whole, labels that are not N classes of the
            readout, images that do not fit (they are
            checked before anything runs), or too few steps for a network in the delayed order.

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
    require_images(images, like=weight_of(network), shape=None)
    labels = torch.as_tensor(labels)
    if labels.shape != (len(images),) or labels.is_floating_point():
        found = f"{labels.dtype} of shape {tuple(labels.shape)}"
        raise ValueError(f"{len(images)} images need as many whole numbers as labels, got {found}")
    classes = require_fit(network, images)[-1]
    if bool(((labels < 0) | (labels >= classes)).any()):
        found = f"{int(labels.min())} to {int(labels.max())}"
        raise ValueError(
            f"the readout has {classes} classes, so labels must be 0 to {classes - 1}, got {found}"
        )
    network.require_steps(wanted[0])
    starts = [max(0, min(delay, t - window)) for t in wanted]
    read = sorted({*wanted, *starts} - {0})
    parts = []
    for first in range(0, len(images), batch_size):
        some = images[first : first + batch_size]
        sums = dict(zip(read, _sums(network, some, encoder, read, first), strict=True))
        pairs = zip(wanted, starts, strict=True)
        parts.append(torch.stack([sums[t] - sums[s] if s else sums[t] for t, s in pairs]))
    readouts = torch.cat(parts, 1)
    right = (readouts.argmax(-1) == labels.to(readouts.device)).double().mean(1)
    return Curve(tuple(wanted), tuple(right.tolist()), readouts, tuple(starts))


def _sums(
    network: Graph, images: Tensor, encoder: Direct | SignedRate, wanted: list[int], first: int
) -> list[Tensor]:
    """Summed readouts `[B, C]` of one batch after each of some numbers of steps, ascending."""
    total, found, done = None, [], 0
    for readout in run(network, images, encoder, wanted[-1], first_example=first):
        sums = readout.cumsum(0) if total is None else readout.cumsum(0) + total
        found += [sums[t - done - 1] for t in wanted if done < t <= done + len(readout)]
        total, done = sums[-1], done + len(readout)
    return found
