"""Currents of binary weights that are bits: exact integers, whatever adds them up."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from bayesnn_spike.ops._dispatch import Implementation, Op, from_module, never
from bayesnn_spike.ops._triton import from_triton
from bayesnn_spike.ops.draw.signs import Signs
from bayesnn_spike.ops.spikes import PackedSpikes, as_numbers, cpu_refuses, triton_refuses
from bayesnn_spike.ops.synapse import reference
from bayesnn_spike.ops.synapse.shapes import map_after, require_ndim_of, require_signs_fit


def signed_linear(
    spikes: Tensor | PackedSpikes, signs: Signs, bias: Tensor | None = None
) -> Tensor:
    """Multiply spikes with packed signs: `[*K, T, B, N]` and K draws of `[M, N]`.

    Args:
        spikes: `[T, B, N]` (shared by all draws) or `[K, T, B, N]`; packed, or numbers.
        signs: K draws of `[M, N]`.
        bias: `[M]` or `[K, M]`, added at every step.

    Returns:
        float32 `[K, T, B, M]`.

    Raises:
        ValueError: a shape does not fit; both are named.

    Source: ops/synapse/README.md. Oracle: tests/ops/test_synapse_signed.py.
    """
    require_ndim_of(spikes, "[*K, T, B, N]", 3, 4)
    require_signs_fit(spikes, signs, bias, feature_dims=1)
    return _LINEAR(spikes, signs, bias)


def signed_conv2d(
    spikes: Tensor | PackedSpikes,
    signs: Signs,
    bias: Tensor | None = None,
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
) -> Tensor:
    """Convolve spikes with packed signs: `[*K, T, B, C, H, W]` and K draws of `[O, C, h, w]`.

    Returns:
        float32 `[K, T, B, O, H', W']`.

    Raises:
        ValueError: a shape does not fit; both are named.

    Source: ops/synapse/README.md. Oracle: tests/ops/test_synapse_signed.py.
    """
    require_ndim_of(spikes, "[*K, T, B, C, H, W]", 5, 6)
    require_signs_fit(spikes, signs, bias, feature_dims=3)
    map_after(tuple(spikes.shape[-2:]), signs.size[-2:], stride, padding)
    return _CONV2D(spikes, signs, bias, stride=stride, padding=padding)


def _reference_linear(spikes: Tensor | PackedSpikes, signs: Signs, bias: Tensor | None) -> Tensor:
    return reference.signed_linear(as_numbers(spikes), signs.dense(), bias)


def _reference_conv2d(
    spikes: Tensor | PackedSpikes, signs: Signs, bias: Tensor | None, **options: Any
) -> Tensor:
    return reference.conv2d(as_numbers(spikes), signs.dense(), bias, **options)


def _triton(name: str) -> Callable[[], Callable[..., Any]]:
    return from_triton("bayesnn_spike.ops.synapse.triton", name)


def _cpu(name: str) -> Callable[[], Callable[..., Any]]:
    return from_module("bayesnn_spike.ops.synapse.signed_cpu", name)


def _form(name: str) -> Callable[..., str]:
    """What `explain` says of the CPU's choice, imported where somebody asks."""
    return lambda *args, **options: _cpu(name)()(*args, **options)


_LINEAR = Op(
    "signed_linear",
    (
        Implementation("triton", _triton("signed_linear"), triton_refuses),
        Implementation("cpu", _cpu("signed_linear"), cpu_refuses, _form("linear_form")),
        Implementation("reference", lambda: _reference_linear, never),
    ),
)
_CONV2D = Op(
    "signed_conv2d",
    (
        Implementation("triton", _triton("signed_conv2d"), triton_refuses),
        Implementation("cpu", _cpu("signed_conv2d"), cpu_refuses, _form("conv2d_form")),
        Implementation("reference", lambda: _reference_conv2d, never),
    ),
)
# So that `explain` takes the function that users know.
signed_linear.op, signed_conv2d.op = _LINEAR, _CONV2D
