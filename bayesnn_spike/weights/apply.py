"""What `linear` and `conv2d` do where a weight is signs: hand spikes to the engine as they are.

Oracle: tests/weights/test_apply.py.
"""

import importlib.util
from typing import Any

import torch
from torch import Tensor

from bayesnn_spike.ops import wanted
from bayesnn_spike.ops.draw.signs import Drawn, Packed, Signs
from bayesnn_spike.ops.spikes import PackedSpikes, is_binary
from bayesnn_spike.ops.synapse import conv2d, linear
from bayesnn_spike.ops.synapse.shapes import map_after, require_signs_fit
from bayesnn_spike.weights.current import LazyCurrent
from bayesnn_spike.weights.lazy import numbers
from bayesnn_spike.weights.signs import LINEAR, BinaryWeight
from bayesnn_spike.weights.spikes import SpikeTensor

Bits = PackedSpikes | Tensor


def has_signs(spikes: Any, weight: Any, bias: Any = None, *_: Any, **__: Any) -> bool:
    """Return whether the weight or the bias is signs."""
    del spikes
    return isinstance(weight, BinaryWeight) or isinstance(bias, BinaryWeight)


def apply(
    func: Any,
    spikes: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *args: Any,
    **options: Any,
) -> Tensor:
    """Multiply or convolve spikes `[*K, T, B, *features]` with signs.

    Returns:
        Currents, lazy where the spikes are zeros and ones and no bias wants a gradient.

    Raises:
        ValueError: shapes do not fit.
        TypeError: a convolution with dilation, groups or padding by name.
    """
    bias = bias.dense() if isinstance(bias, BinaryWeight) else bias
    conv = None if func in LINEAR else _options(*args, **options)
    feature_dims = 1 if conv is None else 3
    if isinstance(weight, BinaryWeight):
        learned = bias is not None and torch.is_grad_enabled() and bias.requires_grad
        bits = None if learned else _bits(spikes, weight, feature_dims)
        if bits is not None:
            return _lazy(bits, weight, bias, conv)
        spikes = numbers(spikes)
        spikes = spikes if spikes.is_floating_point() else spikes.float()
        one, weight = weight.one, weight.dense(spikes.dtype)
        if one and spikes.ndim - feature_dims not in (2, 3):
            # One network is what torch knows: so are axes without a meaning for us.
            return func(spikes, weight, bias, *args, **options)
    spikes = numbers(spikes)
    if conv is None:
        return linear(spikes, weight, bias)
    return conv2d(spikes, weight, bias, **conv)


def pack_spikes(spikes: Tensor) -> Tensor:
    """Pack spikes `[*lead, N]` or `[*lead, C, H, W]` where the CPU's engine takes them as bits.

    Returns:
        A `SpikeTensor`, or the spikes as they are (not all 0 and 1, another device, no numba).
    """
    plain = type(spikes) is Tensor and spikes.dtype in (torch.float32, torch.uint8)
    if not plain or not _on_cpu(spikes) or spikes.ndim < 3:
        return spikes
    from bayesnn_spike.ops.synapse.pack import pack_spikes as pack

    packed = pack(spikes, 1 if spikes.ndim == 3 else 3)
    return spikes if packed is None else SpikeTensor(packed)


def _on_cpu(spikes: Tensor) -> bool:
    """Whether compiled kernels may pack; under `only("reference")` no kernel runs at all."""
    compiled = wanted() != "reference" and importlib.util.find_spec("numba") is not None
    return spikes.device.type == "cpu" and compiled


def _options(
    stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> dict[str, Any]:
    if dilation not in (1, (1, 1)) or groups != 1 or isinstance(padding, str):
        raise TypeError(
            f"packed convolutions take numbers for padding, dilation 1 and groups 1, got "
            f"padding={padding!r}, dilation={dilation}, groups={groups}"
        )
    return {"stride": stride, "padding": padding}


def _bits(spikes: Tensor, weight: BinaryWeight, feature_dims: int) -> Bits | None:
    """The spikes as the engine takes them; None where they must be numbers."""
    if torch.is_grad_enabled() and spikes.requires_grad:
        return None
    lead = spikes.ndim - feature_dims
    if lead == 3 and (weight.one or len(spikes) != weight.signs.draws):
        return None  # one axis of draws broadcasts against another
    if lead not in (2, 3):
        return None
    if isinstance(spikes, SpikeTensor):
        fits = not spikes.folded and (spikes.ndim - len(spikes.spikes.lead) == feature_dims)
        return spikes.spikes if fits else None
    if isinstance(spikes, LazyCurrent) or spikes.dtype not in (torch.float32, torch.uint8):
        return None
    if _on_cpu(spikes):
        from bayesnn_spike.ops.synapse.pack import pack_spikes

        return pack_spikes(spikes, feature_dims)
    return spikes if is_binary(spikes) else None


def _lazy(
    bits: Bits, weight: BinaryWeight, bias: Tensor | None, conv: dict[str, Any] | None
) -> LazyCurrent:
    signs, flat = weight.signs, False
    if conv is None and isinstance(bits, PackedSpikes) and len(bits.features) == 3:
        # A flattened map: a convolution whose kernel is the whole map.
        _require_flat(bits, signs)
        signs, conv, flat = _as_kernel(signs, bits.features), {"stride": 1, "padding": 0}, True
    feature_dims = 1 if conv is None else 3
    require_signs_fit(bits, signs, bias, feature_dims)
    features: tuple[int, ...] = (signs.size[0],)
    if conv is not None and not flat:
        features += map_after(tuple(bits.shape[-2:]), signs.size[-2:], **conv)
    lead = bits.shape[: len(bits.shape) - feature_dims][-2:]
    shape = (*lead, *features) if weight.one else (signs.draws, *lead, *features)
    return LazyCurrent((bits, signs, bias), shape, conv, one=weight.one, flat=flat)


def _require_flat(bits: PackedSpikes, signs: Signs) -> None:
    channels, height, width = bits.features
    if signs.size[1:] != (channels * height * width,):
        raise ValueError(
            f"the signs take {signs.size[1:]} inputs, the spikes are a flat map {bits.features}"
        )


def _as_kernel(signs: Signs, features: tuple[int, ...]) -> Signs:
    """Signs `[M, C H W]` as signs `[M, C, H, W]`: the same bits."""
    size = (signs.size[0], *features)
    if isinstance(signs, Packed):
        return Packed(signs.words, size)
    return Drawn(signs.logits.reshape(size), signs.stream, signs.draws, signs.first)
