"""Early exit: stop at the first T at which the answer is clear enough."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from bayesnn_spike.convert.check import require_labels
from bayesnn_spike.convert.curve import Curve
from bayesnn_spike.convert.report import align


@final
@dataclass(frozen=True)
class EarlyExit:
    """Accuracy against mean time, a row for each limit.

    Attributes:
        limits: of the margin, as given.
        accuracy: share of right answers at the exits.
        steps: mean T of the exits.
        undecided: share of images that never passed the limit and ran to the last T.
    """

    limits: tuple[float, ...]
    accuracy: tuple[float, ...]
    steps: tuple[float, ...]
    undecided: tuple[float, ...]

    def __str__(self) -> str:
        head = ("limit", "mean steps", "accuracy", "undecided")
        rows = [
            (f"{limit:g}", f"{steps:.2f}", f"{accuracy:.2%}", f"{undecided:.2%}")
            for limit, steps, accuracy, undecided in zip(
                self.limits, self.steps, self.accuracy, self.undecided, strict=True
            )
        ]
        return align([head, *rows])


@torch.no_grad()
def early_exit(found: Curve, labels: Tensor | Sequence[int], limits: Sequence[float]) -> EarlyExit:
    """Stop every image at the first T of a curve at which its margin is above a limit.

    The margin is the largest summed readout minus the second largest. An image that never passes
    answers at the last T. The limits are to be chosen on images that the accuracy is not for.

    Args:
        found: of `curve`; its `steps` are the only possible exits, so ask it for all of interest.
        labels: `[N]` classes of the curve's images.
        limits: of the margin, in the unit of the readout: infinity runs all images to the end.

    Raises:
        TypeError: no curve, or limits that are no sequence, such as a single number.
        ValueError: labels that are not one class of the readout an image, one class only, or a
            limit that is NaN.

    Source: early exit by the gap of the two largest outputs, as in cutoff methods.
    Oracle: tests/convert/test_exits.py.
    """
    if not isinstance(found, Curve):
        raise TypeError(f"found must be what curve returns, got a {type(found).__name__}")
    count, classes = found.readouts.shape[1:]
    if classes < 2:
        raise ValueError("a margin needs two classes at least, the readout has one number")
    labels = require_labels(labels, count, classes)
    if not isinstance(limits, Sequence) or isinstance(limits, str):
        kind = type(limits).__name__
        raise TypeError(f"limits must be a sequence such as (0.5, 1.0), got a {kind}")
    if any(limit != limit for limit in limits):
        raise ValueError(f"limits must be numbers, got {tuple(limits)}")
    two = found.readouts.topk(2, -1).values
    margins = two[..., 0] - two[..., 1]
    right = (found.readouts.argmax(-1) == labels.to(margins.device)).double()
    steps = torch.tensor(found.steps, dtype=torch.float64, device=margins.device)
    rows = []
    for limit in limits:
        passed = margins > limit
        decided = passed.any(0)
        # argmax of truth values is the first that is true.
        at = torch.where(decided, passed.int().argmax(0), len(steps) - 1)
        answers = right.gather(0, at[None])[0]
        rows.append((answers.mean(), steps[at].mean(), 1 - decided.double().mean()))
    columns = [tuple(float(value) for value in column) for column in zip(*rows, strict=True)]
    accuracy, mean, undecided = columns or ((), (), ())
    return EarlyExit(tuple(map(float, limits)), accuracy, mean, undecided)
