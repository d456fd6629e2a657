"""Binary weights as values: K packed sets of signs, or the recipe that draws them.

`Packed` holds one bit a weight; `Drawn` holds logits and a stream, and its K draws exist only where
a kernel makes them. Both have the shape `[K, *shape]` of the weights they stand for.
Oracle: tests/ops/test_draw_signs.py.
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from bayesnn_spike.checks import require_shape
from bayesnn_spike.ops.bits import pack_bits, unpack_bits, words_for
from bayesnn_spike.rng import Stream


def rows_of(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (rows, inputs): a weight `[M, *in]` has M rows; one axis or none is a single row."""
    if len(shape) < 2:
        return 1, math.prod(shape)
    return shape[0], math.prod(shape[1:])


@final
@dataclass(frozen=True, eq=False)
class Packed:
    """K sets of signs, 64 to a word.

    Attributes:
        words: int64 `[K, M, ceil(N / 64)]`; bit j of word w of row m is weight (m, 64 w + j),
            1 for +1. Bits past N are zero.
        size: the weight's own shape, without K.

    Raises:
        ValueError: the words do not fit the shape.
    """

    words: Tensor
    size: tuple[int, ...]

    def __post_init__(self) -> None:
        rows, inputs = rows_of(self.size)
        if self.words.dtype != torch.int64:
            raise ValueError(f"packed signs are int64 words, got {self.words.dtype}")
        require_shape(
            self.words, f"words of signs {self.size}", (self.draws, rows, words_for(inputs))
        )

    @staticmethod
    def of(weights: Tensor) -> "Packed":
        """Pack weights `[K, *shape]` of -1 and +1.

        Raises:
            ValueError: a weight is neither -1 nor +1; the first is named.
        """
        wrong = weights.abs() != 1
        if bool(wrong.any()):
            place = tuple(wrong.nonzero()[0].tolist())
            raise ValueError(
                f"signs are -1 and +1, got {weights[place].item()!r} at {place} "
                f"and {int(wrong.sum()) - 1} more"
            )
        size = tuple(weights.shape[1:])
        rows, inputs = rows_of(size)
        bits = (weights > 0).reshape(len(weights), rows, inputs)
        return Packed(pack_bits(bits), size)

    @property
    def draws(self) -> int:
        """K."""
        return len(self.words)

    @property
    def device(self) -> torch.device:
        """Where the words lie."""
        return self.words.device

    @property
    def shape(self) -> tuple[int, ...]:
        """`(K, *shape)`."""
        return (self.draws, *self.size)

    def narrow(self, start: int, count: int) -> "Packed":
        """Return draws start to start + count."""
        return Packed(self.words.narrow(0, start, count), self.size)

    def to(self, device: torch.device) -> "Packed":
        """Return the same signs on another device."""
        return Packed(self.words.to(device), self.size)

    def packed(self) -> "Packed":
        """Return these signs."""
        return self

    def dense(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return -1 and +1 as numbers, `[K, *shape]`."""
        bits = unpack_bits(self.words, rows_of(self.size)[1])
        return (2 * bits.to(dtype) - 1).reshape(self.shape)


@final
@dataclass(frozen=True, eq=False)
class Drawn:
    """Draws first to first + draws of Bernoulli signs, made where they are used.

    Attributes:
        logits: natural parameters `[*shape]`, floating.
        stream: the parameter's stream.
        draws: K.
        first: index of the first draw.
    """

    logits: Tensor
    stream: Stream
    draws: int
    first: int = 0

    @property
    def device(self) -> torch.device:
        """Where the logits lie."""
        return self.logits.device

    @property
    def size(self) -> tuple[int, ...]:
        """The weight's own shape, without K."""
        return tuple(self.logits.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """`(K, *shape)`."""
        return (self.draws, *self.size)

    def narrow(self, start: int, count: int) -> "Drawn":
        """Return draws start to start + count of these."""
        return Drawn(self.logits, self.stream, count, self.first + start)

    def to(self, device: torch.device) -> "Drawn":
        """Return the same draws with the logits on another device."""
        return Drawn(self.logits.to(device), self.stream, self.draws, self.first)

    def packed(self) -> Packed:
        """Draw, 64 signs to a word."""
        from bayesnn_spike.ops.draw import draw_words

        words = draw_words(self.logits, stream=self.stream, draws=self.draws, first=self.first)
        return Packed(words, self.size)

    def dense(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Draw -1 and +1 as numbers, `[K, *shape]`."""
        from bayesnn_spike.ops.draw import draw_signs

        signs = draw_signs(self.logits, stream=self.stream, draws=self.draws, first=self.first)
        return signs.to(dtype)


Signs = Packed | Drawn
