"""The loop behind the packed roofline: a product of packed matrices held in registers.

Two rows times two columns: four loads serve four AND + population count + add, as in the inner loop
of a matrix product that is blocked for registers. The operands fit in the first-level cache.
Oracle: tests/bench/test_popcount.py.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from bayesnn_spike.ops._compile import jit
from bayesnn_spike.ops._simd import Width, load, machine_width, popcount, store, zeros

_WIDTH = machine_width()
_LENGTH = 128  # words of a row: two rows and two columns are 4 KiB


@jit
def _product(
    width: Width, step: int, rows: np.ndarray, columns: np.ndarray, out: np.ndarray, rounds: int
) -> None:
    """rows, columns uint64 `[2 * length]`; out `[4 * step]` gets the counts, word by word."""
    length = rows.size // 2
    c00, c01, c10, c11 = zeros(width), zeros(width), zeros(width), zeros(width)
    for _ in range(rounds):
        for i in range(0, length, step):
            r0, r1 = load(width, rows, i), load(width, rows, length + i)
            s0, s1 = load(width, columns, i), load(width, columns, length + i)
            c00 = c00 + popcount(r0 & s0)
            c01 = c01 + popcount(r0 & s1)
            c10 = c10 + popcount(r1 & s0)
            c11 = c11 + popcount(r1 & s1)
    store(out, 0, c00)
    store(out, step, c01)
    store(out, 2 * step, c10)
    store(out, 3 * step, c11)


@final
@dataclass(frozen=True, eq=False)
class Operands:
    """What one thread works on.

    Attributes:
        rows: uint64 `[2, length]`, flat.
        columns: likewise.
        out: counts of the last run.
    """

    rows: np.ndarray
    columns: np.ndarray
    out: np.ndarray

    @staticmethod
    def make() -> "Operands":
        """Fill rows and columns with fixed bits."""
        words = np.random.Generator(np.random.Philox(key=7)).integers(
            0, 2**63, size=(2, 2 * _LENGTH), dtype=np.uint64
        )
        return Operands(words[0], words[1], np.zeros(4 * _WIDTH.count, np.uint64))

    def run(self, rounds: int) -> None:
        """Multiply `rounds` times."""
        _product(_WIDTH, _WIDTH.count, self.rows, self.columns, self.out, rounds)

    def counts(self) -> np.ndarray:
        """Return the `[2, 2]` products of the last run, summed over its rounds."""
        return self.out.reshape(2, 2, -1).sum(-1)

    @staticmethod
    def macs(rounds: int) -> int:
        """Binary multiply-adds of a run: 64 a word."""
        return rounds * 4 * _LENGTH * 64
