"""Rate code: one Bernoulli spike per value and time step.

A spike is a 32-bit word below round(value 2^32), so that 0 never and 1 always fires; the words are
raw Philox output, low half first, time step after time step. The result is the same on every
machine, and step t does not depend on the number of steps.

Oracle: tests/encoding/test_rate.py.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.encoding._range import require_unit
from bayesnn_spike.rng import Stream

_CHUNK = 256
"""Rows whose thresholds are held at a time."""


def rate(values: Tensor, *, steps: int, stream: Stream) -> Tensor:
    """Draw spikes with probability `values` at every time step, independently.

    Args:
        values: `[*shape]` probabilities in [0, 1].
        steps: time steps T >= 1.
        stream: source of the draws.

    Returns:
        `[T, *shape]` uint8, on the CPU.

    Raises:
        ValueError: a value is outside [0, 1] or not finite, or `steps` < 1.
    """
    require_unit(values, "values", steps)
    return rate_rows(values[None], steps=steps, streams=[stream])[0]


def rate_rows(values: Tensor, *, steps: int, streams: Sequence[Stream]) -> Tensor:
    """Draw every row from a stream of its own: row i is `rate(values[i], stream=streams[i])`.

    So the spikes of one example do not depend on which others are drawn with it.

    Args:
        values: `[N, *shape]` probabilities in [0, 1].
        steps: time steps T >= 1.
        streams: N sources.

    Returns:
        `[N, T, *shape]` uint8, on the CPU.

    Raises:
        ValueError: as `rate`, or the number of streams is not N.
    """
    require_unit(values, "values", steps)
    if len(streams) != len(values):
        raise ValueError(f"{len(values)} rows need as many streams, got {len(streams)}")
    flat = values.detach().cpu().reshape(len(values), -1).numpy()
    cells = flat.shape[1]
    fires = np.empty((len(flat), steps, cells), dtype=bool)
    for first in range(0, len(flat), _CHUNK):
        exact = np.rint(flat[first : first + _CHUNK].astype(np.float64) * 2.0**32)
        # 1 is 2^32, which no 32-bit threshold can hold: those cells fire in any case.
        limits = np.minimum(exact, 2.0**32 - 1).astype(np.uint32)
        for row, (limit, always) in enumerate(zip(limits, exact == 2.0**32, strict=True), first):
            raw = streams[row].numpy().bit_generator.random_raw((steps * cells + 1) // 2)
            # Little-endian on every machine, which makes it the low half first.
            words = raw.astype("<u8", copy=False).view("<u4")[: steps * cells]
            np.less(words.reshape(steps, cells), limit, out=fires[row])
            fires[row] |= always
    shape = (len(flat), steps, *values.shape[1:])
    return torch.from_numpy(fires.view(np.uint8).reshape(shape))
