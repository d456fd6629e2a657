"""The oracle of `sampled`: draw, multiply, fire, each by its own reference."""

import torch
from torch import Tensor

from bayesnn_spike.ops.draw.signs import Signs
from bayesnn_spike.ops.fire import reference as fire
from bayesnn_spike.ops.fire.surrogate import Boxcar, Comparison, Reset
from bayesnn_spike.ops.spikes import PackedSpikes, as_numbers
from bayesnn_spike.ops.synapse import reference as synapse


def sampled_linear(
    spikes: Tensor | PackedSpikes,
    signs: Signs,
    bias: Tensor | None,
    state: Tensor | None,
    *,
    scale: float | Tensor,
    beta: float,
    v_threshold: float,
    reset: Reset,
    comparison: Comparison,
) -> tuple[PackedSpikes, Tensor]:
    """Packed spikes `[K, T, B, M]` and the last membrane `[K, B, M]`."""
    current = synapse.signed_linear(as_numbers(spikes), signs.dense(), bias) * scale
    return _fire(current, state, 1, beta, v_threshold, reset, comparison)


def sampled_conv2d(
    spikes: Tensor | PackedSpikes,
    signs: Signs,
    bias: Tensor | None,
    state: Tensor | None,
    *,
    stride: int | tuple[int, int],
    padding: int | tuple[int, int],
    scale: float | Tensor,
    beta: float,
    v_threshold: float,
    reset: Reset,
    comparison: Comparison,
) -> tuple[PackedSpikes, Tensor]:
    """Packed spikes `[K, T, B, O, H', W']` and the last membrane `[K, B, O, H', W']`."""
    dense = as_numbers(spikes)
    current = synapse.conv2d(dense, signs.dense(), bias, stride=stride, padding=padding)
    scale = scale.view(-1, 1, 1) if isinstance(scale, Tensor) else scale
    return _fire(current * scale, state, 3, beta, v_threshold, reset, comparison)


def _fire(
    current: Tensor,
    state: Tensor | None,
    feature_dims: int,
    beta: float,
    v_threshold: float,
    reset: Reset,
    comparison: Comparison,
) -> tuple[PackedSpikes, Tensor]:
    with torch.no_grad():
        spikes, last = fire.fire(
            current,
            state,
            time_dim=1,
            beta=beta,
            v_threshold=v_threshold,
            surrogate=Boxcar(),  # no gradient flows: any surrogate does
            reset=reset,
            comparison=comparison,
            detach_reset=True,
        )
    return PackedSpikes.of(spikes, feature_dims), last
