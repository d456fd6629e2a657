"""Currents from weights and spikes: linear and 2-d convolution with an optional draw axis K."""

import importlib.util
from collections.abc import Callable

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_variadic

from bayesnn_spike.checks import require_ndim
from bayesnn_spike.ops._dispatch import Implementation, Op
from bayesnn_spike.ops.synapse import reference
from bayesnn_spike.ops.synapse.signed import signed_conv2d as signed_conv2d
from bayesnn_spike.ops.synapse.signed import signed_linear as signed_linear

# Where the event-driven sum was faster than the dense product on two cores.
MAX_DENSITY = 0.2
MIN_OUTPUTS = 32


def linear(spikes: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply spikes with weights: `[*K, T, B, N]` and `[*K, M, N]` to `[*K, T, B, M]`.

    Args:
        spikes: `[T, B, N]` (shared by all draws) or `[K, T, B, N]`.
        weight: `[M, N]`, `[K, M, N]`, or a tensor type of `bayesnn_spike.weights`.
        bias: `[M]` or `[K, M]`, added at every step.

    Raises:
        ValueError: an axis count or a size does not fit; both shapes are named.

    Source: ops/synapse/README.md. Oracle: tests/ops/test_synapse.py.
    """
    if has_torch_function_variadic(spikes, weight, bias):
        return handle_torch_function(linear, (spikes, weight, bias), spikes, weight, bias)
    require_ndim(spikes, "spikes", "[*K, T, B, N]", 3, 4)
    require_ndim(weight, "weight", "[*K, M, N]", 2, 3)
    _require_fit(spikes, weight, bias, feature_dims=1)
    return _LINEAR(spikes, weight, bias)


def conv2d(
    spikes: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
) -> Tensor:
    """Convolve spikes with weights: `[*K, T, B, C, H, W]` and `[*K, O, C, h, w]`.

    Returns:
        `[*K, T, B, O, H', W']`.

    Raises:
        ValueError: an axis count or a size does not fit; both shapes are named.

    Source: ops/synapse/README.md. Oracle: tests/ops/test_synapse.py.
    """
    if has_torch_function_variadic(spikes, weight, bias):
        return handle_torch_function(
            conv2d, (spikes, weight, bias), spikes, weight, bias, stride=stride, padding=padding
        )
    require_ndim(spikes, "spikes", "[*K, T, B, C, H, W]", 5, 6)
    require_ndim(weight, "weight", "[*K, O, C, h, w]", 4, 5)
    _require_fit(spikes, weight, bias, feature_dims=3)
    return _CONV2D(spikes, weight, bias, stride=stride, padding=padding)


def _require_fit(spikes: Tensor, weight: Tensor, bias: Tensor | None, feature_dims: int) -> None:
    shapes = f"spikes {tuple(spikes.shape)} and weight {tuple(weight.shape)}"
    outputs, wanted = weight.shape[-feature_dims - 1], weight.shape[-feature_dims]
    inputs = spikes.shape[-feature_dims]
    if wanted != inputs:
        raise ValueError(f"the weight takes {wanted} inputs, the spikes have {inputs}: {shapes}")
    draws = {"spikes": spikes.shape[0]} if spikes.ndim == feature_dims + 3 else {}
    if weight.ndim == feature_dims + 2:
        draws["weight"] = weight.shape[0]
    if bias is not None:
        shapes += f", bias {tuple(bias.shape)}"
        require_ndim(bias, "bias", "[*K, M]", 1, 2)
        if bias.shape[-1] != outputs:
            raise ValueError(f"{outputs} outputs need a bias each: {shapes}")
        if bias.ndim == 2:
            draws["bias"] = bias.shape[0]
    if len(set(draws.values()) - {1}) > 1:
        raise ValueError(f"the numbers of draws differ, {draws}: {shapes}")


def _load_cpu() -> Callable[..., Tensor]:
    from bayesnn_spike.ops.synapse import cpu

    return cpu.linear


def _cpu_refuses(spikes: Tensor, weight: Tensor, bias: Tensor | None) -> list[str]:
    """Event-driven sums pay off for few active inputs and many outputs."""
    reasons = []
    if spikes.device.type != "cpu":
        return [f"needs tensors on the cpu, got {spikes.device}"]
    if importlib.util.find_spec("numba") is None:
        return ["numba is not installed"]
    tensors = [spikes, weight] if bias is None else [spikes, weight, bias]
    if any(t.dtype != torch.float32 for t in tensors):
        reasons.append("works in float32, got " + ", ".join(str(t.dtype) for t in tensors))
    if spikes.ndim == 4:
        reasons.append("reads one input for all draws, got spikes with a draw axis")
    if spikes.requires_grad:
        reasons.append("has no gradient for the spikes")
    if weight.shape[-2] < MIN_OUTPUTS:
        reasons.append(f"pays off from {MIN_OUTPUTS} outputs, got {weight.shape[-2]}")
    if not reasons:
        # Every 13th input is sample enough to choose by, at a thirteenth of the cost.
        sample = spikes.reshape(-1)[::13]
        density = float(torch.count_nonzero(sample)) / max(sample.numel(), 1)
        if density > MAX_DENSITY:
            reasons.append(f"pays off below a density of {MAX_DENSITY}, got {density:.2f}")
    return reasons


_LINEAR = Op(
    "linear",
    (
        Implementation("cpu", _load_cpu, _cpu_refuses),
        Implementation("reference", lambda: reference.linear, lambda *_: []),
    ),
)
_CONV2D = Op(
    "conv2d", (Implementation("reference", lambda: reference.conv2d, lambda *_, **__: []),)
)
# So that `explain` takes the function that users know.
linear.op, conv2d.op = _LINEAR, _CONV2D
