"""Draw binary weights from their logits: the same bit everywhere for (stream, draw, weight)."""

import importlib.util
from functools import partial
from typing import Any

import torch
from torch import Tensor

from bayesnn_spike.ops._triton import op_of, refusals
from bayesnn_spike.ops.draw import reference
from bayesnn_spike.rng import Stream

MAX_DRAWS = 1 << 32


def draw_signs(logits: Tensor, *, stream: Stream, draws: int = 1, first: int = 0) -> Tensor:
    """Draw binary weights: +1 with probability sigmoid(2 logits), else -1.

    Args:
        logits: `[*shape]`, natural parameters (half log-odds); any floating dtype, used in float32.
        stream: the parameter's stream; weight i in draw k depends on (stream, k, i) alone.
        draws: K, the number of draws.
        first: index of the first draw, so that chunks of a committee join without a seam.

    Returns:
        `[K, *shape]` of -1 and +1, in the dtype and on the device of `logits`.

    Raises:
        ValueError: logits hold NaN; draws or first are negative or reach beyond 2^32.

    Source: ops/draw/README.md. Oracle: tests/ops/test_draw.py.
    """
    _require_draws(draws, first)
    return _SIGNS(logits, key=stream.key, draws=draws, first=first)


def draw_words(logits: Tensor, *, stream: Stream, draws: int = 1, first: int = 0) -> Tensor:
    """Draw binary weights, 64 to a word: the bits of `draw_signs`, 1 for +1.

    Args:
        logits: `[M, *in]`, natural parameters; any floating dtype, used in float32. One axis or
            none is a single row.
        stream: the parameter's stream.
        draws: K.
        first: index of the first draw.

    Returns:
        int64 `[K, M, ceil(N / 64)]` with N inputs a row: the words of `draw.signs.Packed`.

    Raises:
        ValueError: logits hold NaN; draws or first are negative or reach beyond 2^32.

    Source: ops/draw/README.md. Oracle: tests/ops/test_draw.py.
    """
    _require_draws(draws, first)
    return _WORDS(logits, key=stream.key, draws=draws, first=first)


def random_bits(
    shape: tuple[int, ...], *, stream: Stream, draws: int = 1, first: int = 0, device: Any = "cpu"
) -> Tensor:
    """Return the 31-bit words behind `draw_signs`.

    Returns:
        `[K, *shape]` int32 in [0, 2^31).
    """
    _require_draws(draws, first)
    return _BITS(tuple(shape), key=stream.key, draws=draws, first=first, device=device)


def logistic_noise(bits: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Turn words into noise delta = 0.5 log(u / (1 - u)), u = (bits + 0.5) / 2^31, always finite.

    2 delta is logistic; `logits + delta > 0` has probability sigmoid(2 logits).
    """
    count = bits.to(torch.float64) + 0.5
    return (0.5 * (count.log() - (2.0**31 - count).log())).to(dtype)


def _require_draws(draws: int, first: int) -> None:
    if draws < 0 or first < 0 or first + draws > MAX_DRAWS:
        raise ValueError(
            f"draws {first} to {first + draws} do not fit: both counts are at least 0 "
            "and the last draw is below 2^32 (one Philox counter word)"
        )


def _cpu_refuses(target: Any, *, device: Any = None, **_: Any) -> list[str]:
    device = torch.device(device) if device is not None else target.device
    reasons = []
    if device.type != "cpu":
        reasons.append(f"needs tensors on the cpu, got {device}")
    if importlib.util.find_spec("numba") is None:
        reasons.append("numba is not installed")
    return reasons


def _triton_refuses(target: Any, *, device: Any = None, **_: Any) -> list[str]:
    return refusals(target.device if device is None else device)


_op = partial(op_of, package=__name__, cpu_refuses=_cpu_refuses, triton_refuses=_triton_refuses)
_SIGNS = _op(reference.draw_signs)
_WORDS = _op(reference.draw_words)
_BITS = _op(reference.random_bits)
# So that `explain` takes the function that users know.
draw_signs.op, draw_words.op, random_bits.op = _SIGNS, _WORDS, _BITS
