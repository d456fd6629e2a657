"""Rate code: one Bernoulli spike per value and time step.

Oracle: tests/encoding/test_rate.py.
"""

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.encoding._range import require_unit
from bayesnn_spike.rng import Stream


def rate(values: Tensor, *, steps: int, stream: Stream) -> Tensor:
    """Draw spikes with probability `values` at every time step, independently.

    A spike is a 32-bit Philox word below round(value 2^32), so 0 never and 1 always fires, and the
    result is the same on every machine. Step t does not depend on `steps`.

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
    thresholds = np.rint(values.detach().cpu().double().numpy() * 2.0**32).astype(np.uint64)
    size = steps * values.numel()
    raw = stream.numpy().bit_generator.random_raw((size + 1) // 2)
    # Low half first, whatever the byte order of the machine.
    words = raw.astype("<u8").view("<u4")[:size].reshape(steps, *values.shape)
    # 1 is 2^32, which no 32-bit threshold can hold: those cells fire unconditionally.
    fires = words < np.minimum(thresholds, 2**32 - 1).astype(np.uint32)
    return torch.from_numpy((fires | (thresholds == 2**32)).astype(np.uint8))
