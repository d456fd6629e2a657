"""How sure a Bernoulli posterior is of its weights: entropy of each, and the share that is settled.

A weight whose |lambda| is large is settled: draws agree on it, gradients through it vanish, and
diagnostics of draws see a constant. Many settled weights are no fault of themselves; a posterior
that is settled before it has learned is.

Oracle: tests/report/test_saturation.py (closed forms, `Bernoulli.entropy`).
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from bayesnn_spike.checks import require_finite, require_interval
from bayesnn_spike.posterior import Bernoulli

FLIP = 1e-3
"""A weight is settled if a draw has its rarer sign less than once in a thousand."""


@final
@dataclass(frozen=True)
class Saturation:
    """One layer's weights in four numbers.

    Attributes:
        name: of the layer's weights.
        weights: their number.
        settled: share whose rarer sign has a probability below `flip`, from 0 to 1.
        entropy: mean over weights, nats; ln 2 = 0.693 knows nothing, 0 is a fixed network.
        median: of |lambda|.
        flip: the limit that `settled` counts by.
    """

    name: str
    weights: int
    settled: float
    entropy: float
    median: float
    flip: float

    def __str__(self) -> str:
        return (
            f"{self.name}: {100 * self.settled:.1f} % of {self.weights:,} weights settled (rarer "
            f"sign below {self.flip:g}), mean entropy {self.entropy:.3f} of {math.log(2):.3f} nats"
        )


def saturation(posterior: Bernoulli, *, flip: float = FLIP) -> list[Saturation]:
    """Return the saturation of every layer, in the order of the posterior.

    Raises:
        ValueError: flip is not in (0, 0.5).
    """
    limit = settled_logit(flip)
    return [
        Saturation(
            name=name,
            weights=values.numel(),
            settled=float((values.abs() > limit).double().mean()),
            entropy=float(entropy_map(values).mean()),
            median=float(values.abs().median()),
            flip=flip,
        )
        for name, values in posterior.logits.items()
    ]


def settled_logit(flip: float = FLIP) -> float:
    """Return |lambda| at which the rarer sign has probability `flip`: 0.5 ln((1 - flip) / flip).

    Raises:
        ValueError: flip is not strictly between 0 and 0.5.
    """
    require_interval(flip, "flip", 0.0, 0.5)
    if flip in (0.0, 0.5):
        raise ValueError(f"flip must lie strictly between 0 and 0.5, got {flip}")
    return 0.5 * math.log((1 - flip) / flip)


def entropy_map(logits: Tensor) -> Tensor:
    """Return the entropy of each weight in nats, `[*shape]` float64, from its lambda.

    Raises:
        ValueError: a lambda is not finite.
    """
    require_finite(logits, "logits")
    values = logits.double()
    terms = [torch.sigmoid(w * values) * logsigmoid(w * values) for w in (-2.0, 2.0)]
    return -(terms[0] + terms[1])
