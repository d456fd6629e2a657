"""Spikes as bits: what the packed kernels take and give.

Channels are packed, positions are not: a map `[*lead, C, H, W]` is words
`[*lead, H, W, ceil(C / 64)]`, a vector `[*lead, N]` is words `[*lead, ceil(N / 64)]`.
Oracle: tests/ops/test_spikes.py.
"""

import importlib.util
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from bayesnn_spike.checks import require_shape
from bayesnn_spike.ops._triton import refusals
from bayesnn_spike.ops.bits import pack_bits, unpack_bits, words_for
from bayesnn_spike.ops.draw.signs import Signs


@final
@dataclass(frozen=True, eq=False)
class PackedSpikes:
    """Zeros and ones, 64 channels to a word.

    Attributes:
        words: int64 `[*lead, W]` or `[*lead, H, W, W']`; bit j of word w is channel 64 w + j.
        features: (N,) or (C, H, W).

    Raises:
        ValueError: the words do not fit the features.
    """

    words: Tensor
    features: tuple[int, ...]

    def __post_init__(self) -> None:
        channels, *places = self.features
        require_shape(
            self.words,
            f"words of spikes with features {self.features}",
            (*self.lead, *places, words_for(channels)),
        )

    @staticmethod
    def of(spikes: Tensor, feature_dims: int) -> "PackedSpikes":
        """Pack spikes `[*lead, *features]`; anything but zero is a spike.

        `is_binary` says whether that loses nothing.
        """
        channels_last = spikes.movedim(-3, -1) if feature_dims == 3 else spikes
        return PackedSpikes(pack_bits(channels_last != 0), tuple(spikes.shape[-feature_dims:]))

    @property
    def lead(self) -> tuple[int, ...]:
        """The axes before the features."""
        return tuple(self.words.shape[: self.words.ndim - len(self.features)])

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the spikes, `(*lead, *features)`."""
        return (*self.lead, *self.features)

    @property
    def device(self) -> torch.device:
        """Where the words lie."""
        return self.words.device

    def dense(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return zeros and ones as numbers, `[*lead, *features]`."""
        spikes = unpack_bits(self.words, self.features[0]).to(dtype)
        return spikes.movedim(-1, -3) if len(self.features) == 3 else spikes


def as_numbers(spikes: Tensor | PackedSpikes) -> Tensor:
    """Return spikes of either form as float32 numbers, `[*lead, *features]`."""
    return spikes.dense() if isinstance(spikes, PackedSpikes) else spikes.float()


def cpu_refuses(
    spikes: Tensor | PackedSpikes, signs: Signs, *others: Any, **options: Any
) -> list[str]:
    """Return why kernels on bits for the CPU cannot take these spikes with these signs."""
    for tensor in (spikes, signs):
        if tensor.device.type != "cpu":
            return [f"needs tensors on the cpu, got {tensor.device}"]
    reasons = _gradients(spikes, *others, *options.values())
    if importlib.util.find_spec("numba") is None:
        reasons.append("numba is not installed")
    if isinstance(spikes, Tensor) and not is_binary(spikes):
        reasons.append("needs spikes of 0 and 1")
    return reasons


def triton_refuses(
    spikes: Tensor | PackedSpikes, signs: Signs, *others: Any, **options: Any
) -> list[str]:
    """Return why kernels on bits for a GPU cannot take these spikes with these signs.

    Spikes that are numbers are looked at, which waits for the device; packed ones are not.
    """
    reasons = refusals(spikes.device)
    if reasons:
        return reasons
    reasons += _gradients(spikes, *others, *options.values())
    if signs.device != spikes.device:
        reasons.append(
            f"needs spikes and signs on one device, got {spikes.device} and {signs.device}"
        )
    if isinstance(spikes, Tensor) and not is_binary(spikes):
        reasons.append("needs spikes of 0 and 1")
    return reasons


def _gradients(*values: Any) -> list[str]:
    """Kernels on bits are for inference: what wants a gradient goes elsewhere."""
    wanted = any(isinstance(v, Tensor) and v.requires_grad for v in values)
    return ["gives no gradients"] if wanted and torch.is_grad_enabled() else []


def is_binary(spikes: Tensor) -> bool:
    """Return whether every value is 0 or 1."""
    return bool(((spikes == 0) | (spikes == 1)).all())
