"""`draw` on a GPU: thresholds, then Philox and comparison, the reference's bits exactly.

`quads` is what other kernels draw with: the signs of four neighbouring weights from one Philox
block, so that no sign has to be stored. Float operations are the reference's, one by one: every
launch forbids the contraction to multiply-add. Oracle: tests/ops/test_draw_triton.py.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from bayesnn_spike.ops.bits import words_for
from bayesnn_spike.ops.draw.reference import EXP, LN2_HIGH, LN2_LOW, LOG2E, MULTIPLIERS, WEYL
from bayesnn_spike.ops.draw.signs import rows_of

_M0, _M1 = (tl.constexpr(m) for m in MULTIPLIERS)
_W0, _W1 = (tl.constexpr(w) for w in WEYL)
_LOG2E, _LN2_HIGH, _LN2_LOW = (tl.constexpr(c) for c in (LOG2E, LN2_HIGH, LN2_LOW))
_C0, _C1, _C2, _C3, _C4, _C5 = (tl.constexpr(c) for c in EXP)
# A limit that no 31-bit word is above: weights that do not exist are drawn as zero bits.
_NEVER = tl.constexpr(2**31 - 1)
_BLOCK = 256
# One value of `key` or `first` is like any other: none is worth a kernel of its own.
PLAIN = ("key0", "key1", "first")


@triton.jit
def philox(block, draw, key0, key1):
    """Four words, uint32, of int64 counter blocks; `draw` int64, keys int32 (by their bits)."""
    c0, c1 = block.to(tl.uint32), (block >> 32).to(tl.uint32)
    c3 = tl.full(block.shape, 0, tl.uint32)
    c2 = c3 + draw.to(tl.uint32)
    # Products and sums in 64 bits, of which the low 32 are kept: nothing overflows.
    k0, k1 = key0.to(tl.uint32, bitcast=True), key1.to(tl.uint32, bitcast=True)
    for _ in tl.static_range(10):
        p0, p1 = c0.to(tl.uint64) * _M0, c2.to(tl.uint64) * _M1
        c0, c2 = (p1 >> 32).to(tl.uint32) ^ c1 ^ k0, (p0 >> 32).to(tl.uint32) ^ c3 ^ k1
        c1, c3 = p1.to(tl.uint32), p0.to(tl.uint32)
        k0, k1 = (k0.to(tl.uint64) + _W0).to(tl.uint32), (k1.to(tl.uint64) + _W1).to(tl.uint32)
    return c0, c1, c2, c3


@triton.jit
def quads(limits, row, quad, rows, inputs, count, key0, key1, draw, ALIGNED: tl.constexpr):
    """Signs of weights 4 quad to 4 quad + 3 of a row, as bits 0 to 3 (1 for +1), int32.

    `row` and `quad`, int64, broadcast against each other; `limits` as `sign_limits` makes them,
    `count` quads a row. A row that starts inside a Philox block (not ALIGNED) takes from two.
    """
    start = row * inputs
    block = (start >> 2) + quad
    w0, w1, w2, w3 = philox(block, draw, key0, key1)
    if not ALIGNED:
        w4, w5, w6, _ = philox(block + 1, draw, key0, key1)
        by1, by2 = (start & 1) != 0, (start & 2) != 0
        w0, w1, w2 = tl.where(by1, w1, w0), tl.where(by1, w2, w1), tl.where(by1, w3, w2)
        w3, w4, w5 = tl.where(by1, w4, w3), tl.where(by1, w5, w4), tl.where(by1, w6, w5)
        w0, w1 = tl.where(by2, w2, w0), tl.where(by2, w3, w1)
        w2, w3 = tl.where(by2, w4, w2), tl.where(by2, w5, w3)
    there = (quad < count) & (row < rows)
    at = quad * rows + row
    plane = tl.full((1,), count, tl.int64) * rows
    words = (w0, w1, w2, w3)
    bits = tl.full(block.shape, 0, tl.int32)
    for lane in tl.static_range(4):
        limit = tl.load(limits + at + lane * plane, mask=there, other=_NEVER)
        bits |= ((words[lane] >> 1).to(tl.int32) > limit).to(tl.int32) << lane
    return bits


@triton.jit
def spread_quads(
    limits, row, quad, rows, inputs, per, count, key0, key1, draw, WINDOW: tl.constexpr
):  # fmt: skip
    """As `quads`, of four channels at one place of a window: weights WINDOW apart, four blocks.

    A row has WINDOW places of `per` quads; quad = place x per + (first channel) / 4.
    """
    start = row * inputs + 4 * (quad % per) * WINDOW + quad // per
    there = (quad < count) & (row < rows)
    at = quad * rows + row
    plane = tl.full((1,), count, tl.int64) * rows
    bits = tl.full(start.shape, 0, tl.int32)
    for lane in tl.static_range(4):
        i = start + lane * WINDOW
        w0, w1, w2, w3 = philox(i >> 2, draw, key0, key1)
        odd = (i & 1) != 0
        word = tl.where((i & 2) != 0, tl.where(odd, w3, w2), tl.where(odd, w1, w0))
        limit = tl.load(limits + at + lane * plane, mask=there, other=_NEVER)
        bits |= ((word >> 1).to(tl.int32) > limit).to(tl.int32) << lane
    return bits


@triton.jit
def _round(x):
    """To the nearest integer, ties to even, of 0 <= x: from 2^23 on a float32 is an integer."""
    return tl.where(x < 8388608.0, (x + 8388608.0) - 8388608.0, x)


@triton.jit
def _limits_kernel(
    logits, limits, rows, channels, per, count, window, size, BLOCK: tl.constexpr
):  # fmt: skip
    """`[M, C, window]` float32 to `[4, Q, M]` int32: README.md's threshold, in its order."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    row, quad = at % rows, at // rows % count
    channel = 4 * (quad % per) + at // rows // count
    i = (row * channels + channel) * window + quad // per
    logit = tl.load(logits + i, mask=(at < size) & (channel < channels), other=0.0)
    a = tl.abs(logit)
    a = 2.0 * tl.where(a < 16.0, a, 16.0)
    halvings = _round(a * _LOG2E)
    x = -((a - halvings * _LN2_HIGH) - halvings * _LN2_LOW)
    y = tl.full(x.shape, _C0, tl.float32)
    y = y * x + _C1
    y = y * x + _C2
    y = y * x + _C3
    y = y * x + _C4
    y = y * x + _C5
    e = (y * (x * x) + x) + 1.0
    # 2^-n by its bits: exact on every machine, as no power function has to be.
    e *= ((127 - halvings.to(tl.int32)) << 23).to(tl.float32, bitcast=True)
    small = _round(tl.div_rn(e, 1.0 + e) * 2147483648.0).to(tl.int32)
    limit = tl.where(logit >= 0.0, small - 1, 2147483647 - small)
    tl.store(limits + at, tl.where(channel < channels, limit, _NEVER), mask=at < size)


@triton.jit(do_not_specialize=PLAIN)
def _words_kernel(
    limits, out, rows, inputs, count, words, blocks, key0, key1, first,
    QUADS: tl.constexpr, ALIGNED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Packed signs `[K, M, W]`, a word for each lane; neighbouring lanes are neighbouring rows."""
    pid = tl.program_id(0)
    k = (pid // blocks).to(tl.int64)
    at = (pid % blocks).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    row, place = at % rows, at // rows
    word = tl.full((BLOCK,), 0, tl.int64)
    for r in range(QUADS):
        bits = quads(
            limits, row, 16 * place + r, rows, inputs, count, key0, key1, first + k, ALIGNED
        )
        word |= bits.to(tl.int64) << (4 * r)
    tl.store(out + (k * rows + row) * words + place, word, mask=place < words)


@triton.jit(do_not_specialize=PLAIN)
def _flat_kernel(
    limits, out, size, count, blocks, key0, key1, first,
    SIGNS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """-1 and +1, or the 31-bit words, `[K, size]`; a lane makes four neighbours."""
    pid = tl.program_id(0)
    k = (pid // blocks).to(tl.int64)
    start = (pid % blocks).to(tl.int64) * BLOCK
    quad = start + tl.arange(0, BLOCK)
    w0, w1, w2, w3 = philox(quad, first + k, key0, key1)
    # join puts its arguments side by side in a new last axis: (0, 2), (1, 3) become 0, 1, 2, 3.
    drawn = tl.reshape(tl.join(tl.join(w0, w2), tl.join(w1, w3)), (4 * BLOCK,))
    drawn = (drawn >> 1).to(tl.int32)
    i = 4 * start + tl.arange(0, 4 * BLOCK)
    there = i < size
    if SIGNS:
        limit = tl.load(limits + (i & 3) * count + (i >> 2), mask=there, other=0)
        tl.store(out + k * size + i, tl.where(drawn > limit, 1.0, -1.0), mask=there)
    else:
        tl.store(out + k * size + i, drawn, mask=there)


def sign_limits(logits: Tensor, rows: int, channels: int, window: int = 1) -> Tensor:
    """Thresholds for `quads` (window 1) and `spread_quads`, of weights `[M, C, window]`.

    Int32 `[4, Q, M]`, Q = window x ceil(C / 4): plane l holds channels 4 q + l, rows side by side,
    so that lanes read what lies together. Places past C are never +1. Asking for NaN waits for the
    device, once.

    Raises:
        ValueError: logits hold NaN.
    """
    logits = logits.detach().to(torch.float32).contiguous()
    if bool(torch.isnan(logits).any()):
        raise ValueError("logits hold NaN: a weight needs a probability before it can be drawn")
    per = -(-channels // 4)
    count = window * per
    limits = torch.empty((4, count, rows), dtype=torch.int32, device=logits.device)
    size = limits.numel()
    if size:
        _limits_kernel[(triton.cdiv(size, _BLOCK),)](
            logits, limits, rows, channels, per, count, window, size,
            BLOCK=_BLOCK, enable_fp_fusion=False,
        )  # fmt: skip
    return limits


def signed(word: int) -> int:
    """Return an unsigned 32-bit word as the int32 of the same bits: one type for every key."""
    return word - (1 << 32) if word >= 1 << 31 else word


def random_bits(
    shape: tuple[int, ...], *, key: tuple[int, int], draws: int, first: int, device: Any
) -> Tensor:
    """31-bit words `[K, *shape]`, int32."""
    out = torch.empty((draws, *shape), dtype=torch.int32, device=device)
    _flat(out, out, key, first, signs=False)
    return out


def draw_signs(logits: Tensor, *, key: tuple[int, int], draws: int, first: int) -> Tensor:
    """-1 or +1 `[K, *shape]`, in the dtype of `logits`."""
    limits = sign_limits(logits, 1, logits.numel())
    out = torch.empty((draws, *logits.shape), dtype=logits.dtype, device=logits.device)
    _flat(limits, out, key, first, signs=True)
    return out


def draw_words(logits: Tensor, *, key: tuple[int, int], draws: int, first: int) -> Tensor:
    """Signs packed by rows, int64 `[K, M, ceil(N / 64)]`."""
    rows, inputs = rows_of(tuple(logits.shape))
    limits = sign_limits(logits, rows, inputs)
    words, count = words_for(inputs), limits.shape[1]
    out = torch.empty((draws, rows, words), dtype=torch.int64, device=logits.device)
    blocks = triton.cdiv(rows * words, _BLOCK)
    if out.numel():
        _words_kernel[(draws * blocks,)](
            limits, out, rows, inputs, count, words, blocks,
            signed(key[0]), signed(key[1]), first,
            QUADS=min(16, count), ALIGNED=inputs % 4 == 0, BLOCK=_BLOCK,
        )  # fmt: skip
    return out


def _flat(limits: Tensor, out: Tensor, key: tuple[int, int], first: int, *, signs: bool) -> None:
    if not out.numel():
        return
    size = out[0].numel()
    count = -(-size // 4)
    blocks = triton.cdiv(count, _BLOCK)
    _flat_kernel[(len(out) * blocks,)](
        limits, out, size, count, blocks, signed(key[0]), signed(key[1]), first,
        SIGNS=signs, BLOCK=_BLOCK,
    )  # fmt: skip
