"""`draw` on the CPU: from logits to packed signs, the reference's bits exactly.

Signs are drawn 64 to a word in flat order, where Philox blocks are aligned, and then cut into
rows. Oracle: tests/ops/test_draw.py.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._threads import parallel
from bayesnn_spike.ops.bits import words_for
from bayesnn_spike.ops.draw.philox import BLOCK, LANES, draw_blocks, schedule, words_flat
from bayesnn_spike.ops.draw.signs import rows_of

_U64 = np.uint64


@jit
def _rows(flat, inputs, out, start, stop):
    """Cut flat words `[K, F]` into rows `[K, M, W]` of `inputs` bits each; rows start to stop."""
    rows, words = out.shape[1], out.shape[2]
    last = _U64(0xFFFFFFFFFFFFFFFF) >> _U64(64 * words - inputs)
    for index in range(start, stop):
        k, m = index // rows, index % rows
        for w in range(words):
            bit = m * inputs + 64 * w
            at, shift = bit >> 6, _U64(bit & 63)
            word = flat[k, at] >> shift
            if shift and at + 1 < flat.shape[1]:
                word |= flat[k, at + 1] << (_U64(64) - shift)
            out[k, m, w] = word & last if w == words - 1 else word


@jit
def _signs(words, count, out, start, stop):
    """-1 or +1 into out `[K * count]`, from flat words `[K, F]`; words start to stop."""
    per = words.shape[1]
    for index in range(start, stop):
        k, w = index // per, index % per
        word = words[k, w]
        base = k * count + 64 * w
        some = out[base : base + min(64, count - 64 * w)]
        for j in range(some.size):
            some[j] = np.int32((word >> _U64(j)) & _U64(1)) * 2 - 1


def random_bits(
    shape: tuple[int, ...], *, key: tuple[int, int], draws: int, first: int, device: Any
) -> Tensor:
    """31-bit words `[K, *shape]`, int32."""
    del device  # the dispatcher has checked that it is the cpu
    count = int(np.prod(shape, dtype=np.int64))
    out = np.empty((draws, 32 * -(-count // 32)), np.int32)
    keys = schedule(*key)
    parallel(lambda i, j: words_flat(LANES, keys, first, out, i, j), out.size // 32, least=256)
    return torch.from_numpy(out)[:, :count].reshape(draws, *shape)


def draw_words(logits: Tensor, *, key: tuple[int, int], draws: int, first: int) -> Tensor:
    """Signs packed by rows, int64 `[K, M, ceil(N / 64)]`."""
    rows, inputs = rows_of(tuple(logits.shape))
    flat = _draw(logits, key, draws, first)
    if inputs % 64:
        out = np.empty((draws, rows, words_for(inputs)), _U64)
        parallel(lambda i, j: _rows(flat, inputs, out, i, j), draws * rows, least=16)
    else:
        out = flat.reshape(draws, rows, words_for(inputs))
    return torch.from_numpy(out.view(np.int64))


def draw_signs(logits: Tensor, *, key: tuple[int, int], draws: int, first: int) -> Tensor:
    """-1 or +1 `[K, *shape]`, in the dtype of `logits`."""
    flat = _draw(logits, key, draws, first)
    count = logits.numel()
    signs = np.empty(draws * count, np.float32)
    parallel(lambda i, j: _signs(flat, count, signs, i, j), flat.size, least=256)
    return torch.from_numpy(signs).reshape(draws, *logits.shape).to(logits.dtype)


def _draw(logits: Tensor, key: tuple[int, int], draws: int, first: int) -> np.ndarray:
    """Words `[K, ceil(count / 64)]` of all weights in flat order."""
    values = logits.detach().to(torch.float32).contiguous().view(-1).numpy()
    out = np.empty((draws, words_for(values.size)), _U64)
    blocks = -(-out.shape[1] // BLOCK)
    keys, valid = schedule(*key), np.ones(blocks, np.bool_)
    parallel(
        lambda i, j: draw_blocks(LANES, values, keys, first, out, valid, i, j),
        blocks,
        least=max(1, 16 // max(draws, 1)),
    )
    if not valid.all():
        raise ValueError("logits hold NaN: a weight needs a probability before it can be drawn")
    return out
