"""Pack spikes that are numbers into words, and find out on the way whether they are spikes.

Oracle: tests/ops/test_synapse_pack.py.
"""

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._threads import parallel
from bayesnn_spike.ops.bits import words_for
from bayesnn_spike.ops.spikes import PackedSpikes

_U64 = np.uint64


@jit
def _pack(x, out, binary, start, stop):
    """Rows start to stop of x `[R, N]` into words; `binary[r]` is cleared where x is no spike."""
    inputs = x.shape[1]
    for r in range(start, stop):
        bad = 0
        for w in range(out.shape[1]):
            word = _U64(0)
            some = x[r, 64 * w : min(64 * w + 64, inputs)]
            for j in range(some.size):
                value = some[j]
                word |= _U64(value != 0) << _U64(j)
                bad += (value != 0) & (value != 1)
            out[r, w] = word
        binary[r] = bad == 0


def pack_spikes(spikes: Tensor | PackedSpikes, feature_dims: int) -> PackedSpikes | None:
    """Pack spikes `[*lead, *features]`; None if a value is neither 0 nor 1."""
    if isinstance(spikes, PackedSpikes):
        return spikes
    features = tuple(spikes.shape[-feature_dims:])
    x = spikes.detach()
    if x.dtype not in (torch.float32, torch.uint8):
        x = x.float()
    if feature_dims == 3:
        x = x.movedim(-3, -1)
    x = x.contiguous()
    lead = x.shape[:-1]
    rows = x.view(-1, features[0]).numpy() if x.numel() else np.zeros((0, features[0]), np.float32)
    out = np.zeros((len(rows), words_for(features[0])), _U64)
    binary = np.ones(len(rows), np.bool_)
    parallel(lambda i, j: _pack(rows, out, binary, i, j), len(rows), least=32)
    if not binary.all():
        return None
    words = torch.from_numpy(out.view(np.int64)).reshape(*lead, out.shape[1])
    return PackedSpikes(words, features)
