"""When sums over events pay off against a dense product, on a CPU.

Oracle: tests/ops/test_synapse_choice.py, tests/ops/test_synapse_straight.py.
"""

import importlib.util
from typing import Any

import torch
from torch import Tensor

from bayesnn_spike.ops.spikes import is_binary

# Where the event-driven sum was faster than the dense product, forward and backward together.
MAX_DENSITY = 0.35
MIN_OUTPUTS = 32
# The same of convolutions with 64 outputs or more: at 0.45 both take as long.
MAX_MAP_DENSITY = 0.35
MIN_MAPS = 64
# Fewer outputs pay off for real weights where there are channels enough: up to 0.3.
FEW_MAPS, FEW_CHANNELS = 32, 16
MAX_FEW_DENSITY = 0.25
# Rows (time steps times examples) from which a product of few outputs is worth turning round.
MIN_ROWS = 1024
# A sample of the spikes: so many in a row of so many; the latter is prime and far from a power of
# two, so that no shape of a recording makes it look at the same inputs again and again.
_SOME, _ROW = 256, 2531


def density(spikes: Tensor) -> float:
    """Estimate the share of inputs that are not 0; 0 if there are none."""
    flat = spikes.detach().reshape(-1)
    if flat.numel() > 16 * _ROW:
        flat = flat[: flat.numel() // _ROW * _ROW].view(-1, _ROW)[:, :_SOME]
    return int(torch.count_nonzero(flat)) / max(flat.numel(), 1)


def linear_refuses(spikes: Tensor, weight: Tensor, bias: Tensor | None) -> list[str]:
    """Say why `linear` should not go event by event, nor turned round; nothing if it should."""
    reasons = _machine_refuses(spikes, weight, bias)
    outputs, rows = weight.shape[-2], spikes.shape[-3] * spikes.shape[-2]
    if outputs < MIN_OUTPUTS:
        if rows < MIN_ROWS:
            reasons.append(
                f"pays off from {MIN_OUTPUTS} outputs or {MIN_ROWS} rows, got {outputs} and {rows}"
            )
    elif not reasons:
        found = density(spikes)
        if found > MAX_DENSITY:
            reasons.append(f"pays off below a density of {MAX_DENSITY}, got {found:.2f}")
    return reasons


def straight_refuses(spikes: Tensor, weight: Tensor, bias: Tensor | None, **_: float) -> list[str]:
    """Say why `straight_linear` cannot run packed, or should not; nothing if it should."""
    reasons = _machine_refuses(spikes, weight, bias)
    if weight.shape[-2] < MIN_OUTPUTS:
        reasons.append(f"pays off from {MIN_OUTPUTS} outputs, got {weight.shape[-2]}")
    return reasons


def conv2d_refuses(spikes: Tensor, weight: Tensor, bias: Tensor | None, **_: Any) -> list[str]:
    """Say why `conv2d` should not go event by event; nothing if it should."""
    reasons = _machine_refuses(spikes, weight, bias)
    outputs, channels = weight.shape[-4], weight.shape[-3]
    if outputs < (FEW_MAPS if channels >= FEW_CHANNELS else MIN_MAPS):
        reasons.append(
            f"pays off from {MIN_MAPS} outputs, or {FEW_MAPS} of {FEW_CHANNELS} channels, got "
            f"{outputs} of {channels}"
        )
    if not reasons:
        found, most = density(spikes), MAX_FEW_DENSITY if outputs < MIN_MAPS else MAX_MAP_DENSITY
        if found > most:
            reasons.append(f"pays off below a density of {most}, got {found:.2f}")
        elif not are_spikes(spikes):
            reasons.append("needs spikes of 0 and 1, or means of four such spikes")
    return reasons


def straight_conv2d_refuses(
    spikes: Tensor, weight: Tensor, bias: Tensor | None, **_: Any
) -> list[str]:
    """Say why `straight_conv2d` cannot run packed, or should not; nothing if it should."""
    reasons = _machine_refuses(spikes, weight, bias)
    if weight.shape[-4] < MIN_MAPS:
        reasons.append(f"pays off from {MIN_MAPS} outputs, got {weight.shape[-4]}")
    return reasons


def are_spikes(maps: Tensor) -> bool:
    """Whether all values of float32 maps on the CPU are 0, 1/4, 1/2, 3/4 or 1."""
    from bayesnn_spike.ops.synapse.quarters import kind  # compiled: only where numba is there

    # The last frame first: a trace or an image is known by it at once.
    return kind(maps[..., -1:, -1:, :, :, :]) > 0 and kind(maps) > 0


def seems_binary(maps: Tensor) -> bool:
    """Whether the last frame `[*K, -1, -1]` is 0 and 1: traces are known by it at once."""
    return is_binary(maps.detach()[..., -1:, -1:, :, :, :])


def _machine_refuses(spikes: Tensor, weight: Tensor, bias: Tensor | None) -> list[str]:
    if spikes.device.type != "cpu":
        return [f"needs tensors on the cpu, got {spikes.device}"]
    if importlib.util.find_spec("numba") is None:
        return ["numba is not installed"]
    reasons = []
    tensors = [spikes, weight] if bias is None else [spikes, weight, bias]
    if any(t.dtype != torch.float32 for t in tensors):
        reasons.append("works in float32, got " + ", ".join(str(t.dtype) for t in tensors))
    return reasons
