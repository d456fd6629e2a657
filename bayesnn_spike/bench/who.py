"""Who is timed: the names of the table, what kind of arithmetic they do, and who is missing here.

Oracle: tests/bench/test_who.py.
"""

import importlib.util
from collections.abc import Mapping

FP32 = (
    *("torch-loop", "torch-fused-t", "torch-batched", "snntorch", "spikingjelly"),
    *("torch-bernoulli", "torch-gemm"),
)
"""Baselines in float32; `ratio` compares with the fastest of them."""
BF16 = ("torch-fused-t-bf16", "torch-batched-bf16", "torch-gemm-bf16")
"""Baselines in bfloat16; `ratio_bf16` compares with the fastest of them."""
ENGINE = ("cpu", "triton")
"""The automatic choice, with tensors on the CPU or on a GPU."""
EVERYONE = (*ENGINE, "reference", *FP32, *BF16)

ROOF: Mapping[str, str] = {
    "cpu": "popcount",
    "triton": "gemm_bf16",  # on a GPU the engine multiplies bits as numbers of that kind
    **dict.fromkeys(FP32, "gemm_fp32"),
    **dict.fromkeys(BF16, "gemm_bf16"),
    "reference": "gemm_fp32",
}
"""The rate of the machine that each one's multiply-adds are held against."""

_PACKAGES = {"snntorch": "snntorch", "spikingjelly": "spikingjelly"}


def absence(who: str, device: str) -> str | None:
    """Return why someone cannot be timed on this machine, or None."""
    if who == "triton" and device != "cuda":
        return "runs on a GPU: give --device cuda"
    if who == "cpu" and device != "cpu":
        return "runs on the CPU: give --device cpu"
    package = _PACKAGES.get(who)
    if package is not None and importlib.util.find_spec(package) is None:
        return f"{package} is not installed; benchmarks/README.md says how"
    return None
