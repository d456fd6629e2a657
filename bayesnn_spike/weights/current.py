"""Currents that have not been added up: a neuron turns them into spikes in one pass.

Oracle: tests/weights/test_lazy.py.
"""

from typing import Any, final

import torch
from torch import Tensor

from bayesnn_spike.ops.draw.signs import Signs
from bayesnn_spike.ops.fire import fire
from bayesnn_spike.ops.sampled import sampled_conv2d, sampled_linear
from bayesnn_spike.ops.spikes import PackedSpikes
from bayesnn_spike.ops.synapse import signed_conv2d, signed_linear
from bayesnn_spike.weights.lazy import Lazy
from bayesnn_spike.weights.spikes import SpikeTensor


@final
class LazyCurrent(Lazy):
    """Currents `scale * (W x + bias)` that have not been added up.

    Attributes:
        parts: spikes (packed, or numbers of 0 and 1), K draws of signs, and a bias `[M]`,
            `[K, M]` or None.
        conv: stride and padding of a convolution; None for a fully connected layer.
        one: the draw axis is not shown.
        flat: the convolution has one position that is not shown.
        scale: a number, `[M]`, or None.
    """

    parts: tuple[PackedSpikes | Tensor, Signs, Tensor | None]

    @staticmethod
    def __new__(
        cls,
        parts: tuple[PackedSpikes | Tensor, Signs, Tensor | None],
        shape: tuple[int, ...],
        conv: dict[str, Any] | None,
        *,
        one: bool,
        flat: bool,
        scale: float | Tensor | None = None,
    ) -> "LazyCurrent":
        made = torch.Tensor._make_wrapper_subclass(
            cls, shape, dtype=torch.float32, device=parts[1].device
        )
        made.parts, made.conv, made.one, made.flat = parts, conv, one, flat
        made.scale, made.made = scale, None
        return made

    @property
    def is_map(self) -> bool:
        """Whether there are three feature axes."""
        return self.conv is not None and not self.flat

    def dense(self) -> Tensor:
        if self.made is None:
            if self.conv is None:
                values = signed_linear(*self.parts)
            else:
                values = signed_conv2d(*self.parts, **self.conv)
            values = values[..., 0, 0] if self.flat else values
            values = values[0] if self.one else values
            scale = self.scale
            if scale is not None:
                by_channel = isinstance(scale, Tensor) and self.is_map
                values = values * (scale.view(-1, 1, 1) if by_channel else scale)
            self.made = values
        return self.made

    def keeps_from(self, name: str) -> bool:
        del name
        return False  # the numbers are kept once they are made

    def held_bytes(self) -> int:
        return 0 if self.made is None else self.made.numel() * self.made.itemsize

    @classmethod
    def take(cls, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        name = getattr(func, "__name__", "")
        if name in ("mul", "multiply", "__mul__", "__rmul__") and len(args) == 2 and not kwargs:
            current, other = args if isinstance(args[0], LazyCurrent) else args[::-1]
            return _scaled(current, other)
        if func is fire and isinstance(args[0], LazyCurrent):
            return _fire(*args, **kwargs)
        return None


def _scaled(current: LazyCurrent, other: Any) -> LazyCurrent | None:
    """Take a gain along: a number, or one number a channel that wants no gradient."""
    if current.scale is not None or current.made is not None:
        return None
    if isinstance(other, Tensor):
        outputs = current.parts[1].size[0]
        wanted = (outputs, 1, 1) if current.is_map else (outputs,)
        learned = torch.is_grad_enabled() and other.requires_grad
        if learned or other.dtype != torch.float32 or tuple(other.shape) != wanted:
            return None
        other = other.detach().reshape(outputs)
    elif not isinstance(other, int | float):
        return None
    return LazyCurrent(
        current.parts,
        tuple(current.shape),
        current.conv,
        one=current.one,
        flat=current.flat,
        scale=other,
    )


def _fire(
    current: LazyCurrent,
    state: Tensor | None = None,
    *,
    time_dim: int,
    surrogate: Any = None,
    detach_reset: bool = True,
    **neuron: Any,
) -> tuple[Tensor, Tensor] | None:
    del surrogate, detach_reset  # no gradient flows
    time = current.ndim - (3 if current.is_map else 1) - 2
    if time_dim % current.ndim != time or current.made is not None:
        return None
    if state is not None:
        like = (*current.shape[:time], *current.shape[time + 1 :])
        plain = (state.dtype, tuple(state.shape)) == (torch.float32, like)
        if not plain or (torch.is_grad_enabled() and state.requires_grad):
            return None
        state = state[None] if current.one else state
        state = state[..., None, None] if current.flat else state
    options = {**neuron, "scale": 1.0 if current.scale is None else current.scale}
    if current.conv is None:
        spikes, last = sampled_linear(*current.parts, state, **options)
    else:
        spikes, last = sampled_conv2d(*current.parts, state, **current.conv, **options)
    words, features = spikes.words, spikes.features
    if current.flat:
        words, features, last = words[..., 0, 0, :], features[:1], last[..., 0, 0]
    if current.one:
        words, last = words[0], last[0]
    return SpikeTensor(PackedSpikes(words, features)), last
