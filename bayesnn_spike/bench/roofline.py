"""What this machine reaches at most, measured in the same run as everything else.

Four rates, each the best of its runs and on as many threads as the benchmark has: AND + population
count + add on packed words that stay in the nearest cache, copying of memory, and torch's matrix
product, as a layer calls it, in float32 and in bfloat16. Oracle: tests/bench/test_roofline.py.
"""

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch

SIDES = (256, 512, 1024, 2048, 4096, 8192)
"""Of the square matrices; a larger one follows while one product is quick (bfloat16 may not be)."""
COPIED = 64 * 2**20
"""Bytes of the array that is copied: more than a cache holds."""


@final
@dataclass(frozen=True)
class Roofline:
    """Rates of the machine; a multiply-add of binary values is one bit of a packed word.

    Attributes:
        popcount: 10^9 multiply-adds a second on packed words; None without numba.
        gemm_fp32: 10^9 multiply-adds a second of torch's matrix product in float32.
        gemm_bf16: in bfloat16.
        copy: 10^9 bytes a second, read and written.
    """

    popcount: float | None
    gemm_fp32: float
    gemm_bf16: float
    copy: float

    def as_dict(self) -> dict[str, float | None]:
        """Return the rates under names with their units."""
        return {
            "popcount_gmac_per_s": self.popcount,
            "gemm_fp32_gmac_per_s": self.gemm_fp32,
            "gemm_bf16_gmac_per_s": self.gemm_bf16,
            "copy_gb_per_s": self.copy,
        }


def measure(seconds: float = 0.5, *, device: str = "cpu") -> Roofline:
    """Measure all rates, each for about `seconds` (the products: for each size)."""
    settle = torch.cuda.synchronize if device == "cuda" else _nothing

    def rate(amount: float, call: Callable[[], object]) -> float:
        return amount / 1e9 / best(call, seconds / 2, settle)

    def gemm(dtype: torch.dtype) -> float:
        found = 0.0
        for side in SIDES:
            a = torch.ones(side, side, dtype=dtype, device=device)
            found = max(found, rate(side**3, lambda a=a: torch.nn.functional.linear(a, a)))
            if 8 * side**3 / 1e9 / found > 2 * seconds:
                break
        return found

    source = torch.ones(COPIED // 4, device=device)
    target = torch.empty_like(source)
    return Roofline(
        popcount=_popcount(seconds) if device == "cpu" else None,
        gemm_fp32=gemm(torch.float32),
        gemm_bf16=gemm(torch.bfloat16),
        copy=rate(2 * COPIED, lambda: target.copy_(source)),
    )


def best(
    call: Callable[[], object],
    seconds: float,
    settle: Callable[[], object] = lambda: None,
) -> float:
    """Return the shortest run of a call within `seconds`, after one that is not counted."""
    call()
    settle()
    shortest, stop = float("inf"), time.perf_counter() + seconds
    while shortest == float("inf") or time.perf_counter() < stop:
        start = time.perf_counter()
        call()
        settle()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest


def _nothing() -> None:
    """A CPU has no queue to wait for."""


def _popcount(seconds: float) -> float | None:
    if importlib.util.find_spec("numba") is None:
        return None
    from bayesnn_spike.bench.popcount import Operands
    from bayesnn_spike.ops._threads import parallel, threads

    operands = [Operands.make() for _ in range(threads())]
    rounds = 5000  # some milliseconds

    def one(start: int, stop: int) -> None:
        for index in range(start, stop):
            operands[index].run(rounds)

    shortest = best(lambda: parallel(one, len(operands)), seconds)
    return len(operands) * operands[0].macs(rounds) / 1e9 / shortest
