"""The oracle of `draw`: Philox4x32-10 and the sign threshold in plain tensor arithmetic."""

from typing import Any

import torch
from torch import Tensor

from bayesnn_spike.ops.bits import pack_bits
from bayesnn_spike.ops.draw.signs import rows_of

MASK = 0xFFFFFFFF
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10

# exp on [-ln2/2, ln2/2] (Cephes expf); the order of operations is part of the definition.
EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5)
LOG2E, LN2_HIGH, LN2_LOW = 1.44269504, 0.693359375, -2.12194440e-4


def philox(counter: tuple[Tensor, ...], key: tuple[int, int]) -> tuple[Tensor, ...]:
    """Philox4x32-10 on int64 tensors that hold unsigned 32-bit words; returns four such tensors."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        # Products wrap modulo 2^64 in int64; shift and mask recover both halves.
        p0, p1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            ((p1 >> 32) & MASK) ^ c1 ^ k0,
            p1 & MASK,
            ((p0 >> 32) & MASK) ^ c3 ^ k1,
            p0 & MASK,
        )
        k0, k1 = (k0 + WEYL[0]) & MASK, (k1 + WEYL[1]) & MASK
    return c0, c1, c2, c3


def random_bits(
    shape: tuple[int, ...], *, key: tuple[int, int], draws: int, first: int, device: Any
) -> Tensor:
    """31-bit words `[K, *shape]`, int32."""
    count = 1
    for size in shape:
        count *= size
    block = torch.arange((count + 3) // 4, dtype=torch.int64, device=device)
    draw = torch.arange(first, first + draws, dtype=torch.int64, device=device)[:, None]
    zero = torch.zeros_like(draw)
    words = philox((block & MASK, block >> 32, draw, zero), key)
    lanes = torch.stack(torch.broadcast_tensors(*words), dim=-1).reshape(draws, 4 * len(block))
    return (lanes[:, :count] >> 1).to(torch.int32).reshape(draws, *shape)


def sign_threshold(logits: Tensor) -> Tensor:
    """The int32 threshold at or below which a 31-bit word means -1 (see the README)."""
    if bool(torch.isnan(logits).any()):
        raise ValueError("logits hold NaN: a weight needs a probability before it can be drawn")
    logits = logits.to(torch.float32)
    a = torch.clamp(2 * logits.abs(), max=32.0)
    n = torch.round(a * LOG2E)
    x = -((a - n * LN2_HIGH) - n * LN2_LOW)
    y = torch.full_like(x, EXP[0])
    for coefficient in EXP[1:]:
        y = y * x + coefficient
    e = (y * (x * x) + x) + 1.0
    e = torch.ldexp(e, -n)
    small = torch.round(e / (1.0 + e) * 2.0**31).to(torch.int64)
    threshold = torch.where(logits >= 0, small, 2**31 - small) - 1
    return threshold.to(torch.int32)


def draw_signs(logits: Tensor, *, key: tuple[int, int], draws: int, first: int) -> Tensor:
    """-1 or +1 `[K, *shape]`, in the dtype of `logits`."""
    threshold = sign_threshold(logits)
    bits = random_bits(tuple(logits.shape), key=key, draws=draws, first=first, device=logits.device)
    one = torch.ones((), dtype=logits.dtype, device=logits.device)
    return torch.where(bits <= threshold, -one, one)


def draw_words(logits: Tensor, *, key: tuple[int, int], draws: int, first: int) -> Tensor:
    """The signs of `draw_signs` packed by rows, int64 `[K, M, ceil(N / 64)]`."""
    signs = draw_signs(logits, key=key, draws=draws, first=first)
    rows, inputs = rows_of(tuple(logits.shape))
    return pack_bits((signs > 0).reshape(draws, rows, inputs))
