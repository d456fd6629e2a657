"""Randomness as a value: a `Stream` names a place in a tree of independent random numbers.

A stream is a 64-bit key. `child(*path)` hashes the path into a new key, so the draws of one
purpose never depend on how many draws another purpose took, nor on the order of calls.
The Bernoulli bits of binary weights come from Philox4x32-10 under that key
(`bayesnn_spike/ops/draw/README.md` fixes the counter layout); other noise comes from a
`torch.Generator` or a numpy generator seeded with the key.

Oracle: tests/test_rng.py.
"""

import hashlib
from dataclasses import dataclass
from typing import final

import numpy as np
import torch


@final
@dataclass(frozen=True)
class Stream:
    """A source of random numbers that is a plain value: hashable, comparable, picklable.

    Args:
        seed: any integer in [0, 2^64). It is the key of the root; children hash it with their path.

    Raises:
        ValueError: the seed is not an integer in [0, 2^64).
    """

    seed: int

    def __post_init__(self) -> None:
        valid = isinstance(self.seed, int) and not isinstance(self.seed, bool)
        if not valid or not 0 <= self.seed < 1 << 64:
            raise ValueError(f"a stream needs an integer seed in [0, 2^64), got {self.seed!r}")

    def child(self, *path: str | int) -> "Stream":
        """Return the stream at `path` below this one; equal paths give equal streams.

        `child("a", 1)` equals `child("a").child(1)`; `child(1)` and `child("1")` differ.

        Raises:
            TypeError: a path element is neither a string nor an integer.
        """
        key = self.seed
        for part in path:
            if isinstance(part, bool) or not isinstance(part, str | int):
                raise TypeError(f"a stream path takes strings and integers, got {part!r}")
            kind = b"s" if isinstance(part, str) else b"i"
            text = key.to_bytes(8, "little") + kind + str(part).encode()
            key = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
        return Stream(key)

    @property
    def key(self) -> tuple[int, int]:
        """The Philox key: (low, high) 32-bit words of the seed."""
        return self.seed & 0xFFFFFFFF, self.seed >> 32

    def generator(self, device: str | torch.device = "cpu") -> torch.Generator:
        """Return a fresh torch generator at the start of this stream.

        For noise that need not be the same on every device. On the CPU torch keeps the low 32 bits
        of a seed only, so among some 10^5 generators two are likely to repeat each other; weights
        are drawn with Philox under all 64 bits and are not affected.
        """
        generator = torch.Generator(device=device)
        # torch seeds are signed 64-bit; the mask keeps every stream's seed representable.
        return generator.manual_seed(self.seed & 0x7FFFFFFFFFFFFFFF)

    def numpy(self) -> np.random.Generator:
        """Return a fresh numpy generator (Philox) at the start of this stream."""
        return np.random.Generator(np.random.Philox(key=self.seed))
