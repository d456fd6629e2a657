"""Bits in words: the one packing of signs and of spikes, in plain tensor arithmetic.

Bit j of word w is element 64 w + j; the bits past the last element are zero. Words are int64,
because torch has no shifts on unsigned integers. Oracle: tests/ops/test_bits.py.
"""

import torch
from torch import Tensor

WORD = 64


def words_for(count: int) -> int:
    """Return how many words hold `count` bits."""
    return -(-count // WORD)


def pack_bits(bits: Tensor) -> Tensor:
    """Pack truth values `[*, N]` into int64 words `[*, ceil(N / 64)]`."""
    count = bits.shape[-1]
    padded = torch.nn.functional.pad(bits.to(torch.int64), (0, words_for(count) * WORD - count))
    places = torch.arange(WORD, device=bits.device)
    # The bits of a word are disjoint, so their sum is their union, and wraps only in bit 63.
    return (padded.unflatten(-1, (-1, WORD)) << places).sum(-1)


def unpack_bits(words: Tensor, count: int) -> Tensor:
    """Unpack int64 words `[*, W]` into truth values `[*, count]`.

    Raises:
        ValueError: the words hold fewer than `count` bits.
    """
    if words.shape[-1] != words_for(count):
        raise ValueError(
            f"{count} bits need {words_for(count)} words of 64, got shape {tuple(words.shape)}"
        )
    places = torch.arange(WORD, device=words.device)
    return ((words.unsqueeze(-1) >> places) & 1).bool().flatten(-2)[..., :count]
