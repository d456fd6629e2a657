"""Currents and spikes that stay bits until somebody wants numbers.

`linear` with packed signs gives a `LazyCurrent`; a gain is taken along; `fire` turns it into a
`SpikeTensor` in one pass; pooling, flattening and the next layer take the bits. Any other operation
gets ordinary numbers, so a user's own module works between ours, at the speed of numbers.
Oracle: tests/weights/test_lazy.py.
"""

import math
from typing import Any, final

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from bayesnn_spike.ops.draw.signs import Drawn, Signs
from bayesnn_spike.ops.fire import fire
from bayesnn_spike.ops.sampled import sampled_conv2d, sampled_linear
from bayesnn_spike.ops.spikes import PackedSpikes
from bayesnn_spike.ops.synapse import signed_conv2d, signed_linear
from bayesnn_spike.weights.signs import CONV2D, LINEAR, METADATA, BinaryWeight


class _Lazy(torch.Tensor):
    """A float32 tensor by its looks; numbers are made on demand."""

    def dense(self) -> Tensor:
        """Return the numbers."""
        raise TypeError(f"{type(self).__name__} must define dense")

    def held_bytes(self) -> int:
        """Return what is really held in memory."""
        raise TypeError(f"{type(self).__name__} must define held_bytes")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={tuple(self.shape)})"

    def tolist(self) -> Any:
        return self.dense().tolist()

    def numpy(self, *, force: bool = False) -> Any:
        return self.dense().numpy(force=force)

    @classmethod
    def take(cls, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Answer a function on bits, or return None."""
        del func, args, kwargs
        return None

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", str(func))
        if name in METADATA:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **kwargs)
        if func in LINEAR or func in CONV2D:
            from bayesnn_spike.weights.apply import apply, has_signs

            if has_signs(*args, **kwargs):
                return apply(func, *args, **kwargs)
        found = cls.take(func, args, kwargs)
        return found if found is not None else func(*numbers(args), **numbers(kwargs))

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*numbers(args), **numbers(kwargs or {}))


def numbers(values: Any) -> Any:
    """Make numbers of all lazy tensors in a tree."""
    return tree_map(lambda x: x.dense() if isinstance(x, _Lazy) else x, values)


def is_lazy(values: Any) -> bool:
    """Return whether a tensor is bits that have not been turned into numbers."""
    return isinstance(values, _Lazy)


def held_bytes(values: Tensor) -> int:
    """Return the bytes that a tensor holds in memory, whatever it is."""
    if isinstance(values, _Lazy):
        return values.held_bytes()
    if isinstance(values, BinaryWeight):
        signs = values.signs
        return 0 if isinstance(signs, Drawn) else signs.words.numel() * signs.words.itemsize
    return values.numel() * values.element_size()


@final
class SpikeTensor(_Lazy):
    """Zeros and ones `[*lead, *features]`, packed.

    Args:
        spikes: the bits.
        flat: show the features of a map as one axis.
        folded: show the leading axes as one axis, as modules with one batch axis want them.
    """

    spikes: PackedSpikes
    flat: bool
    folded: bool

    @staticmethod
    def __new__(
        cls, spikes: PackedSpikes, flat: bool = False, folded: bool = False
    ) -> "SpikeTensor":
        lead = (math.prod(spikes.lead),) if folded else spikes.lead
        features = (math.prod(spikes.features),) if flat else spikes.features
        made = torch.Tensor._make_wrapper_subclass(
            cls, (*lead, *features), dtype=torch.float32, device=spikes.device
        )
        made.spikes, made.flat, made.folded = spikes, flat, folded
        return made

    def dense(self) -> Tensor:
        return self.spikes.dense().reshape(self.shape)

    def held_bytes(self) -> int:
        return self.spikes.words.numel() * self.spikes.words.itemsize

    @classmethod
    def take(cls, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if not isinstance(args[0], SpikeTensor):
            return None
        name = getattr(func, "__name__", "")
        if name == "flatten":
            return _flatten(*args, **kwargs)
        if name == "unflatten":
            return _unflatten(*args, **kwargs)
        # F.max_pool2d is a wrapper without a name of its own that ends in torch.max_pool2d.
        if name in ("max_pool2d", "boolean_dispatch", "_max_pool2d", "fn"):
            return _max_pool(*args, **kwargs)
        return None


def _flatten(x: SpikeTensor, start_dim: int = 0, end_dim: int = -1) -> SpikeTensor | None:
    """Features to one axis, or all leading axes to one; the bits stay where they are."""
    first, last = start_dim % x.ndim, end_dim % x.ndim
    lead = 1 if x.folded else len(x.spikes.lead)
    if first == lead and last == x.ndim - 1:
        return SpikeTensor(x.spikes, len(x.spikes.features) == 3, x.folded)
    if first == 0 and last == lead - 1:
        return SpikeTensor(x.spikes, x.flat, folded=True)
    return None


def _unflatten(x: SpikeTensor, dim: int, sizes: Any) -> SpikeTensor | None:
    """Take the fold of the leading axes back."""
    if dim % x.ndim == 0 and x.folded and tuple(sizes) == x.spikes.lead:
        return SpikeTensor(x.spikes, x.flat)
    return None


def _max_pool(
    x: SpikeTensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> SpikeTensor | None:
    """The maximum of spikes is their union: one `or` for 64 channels."""
    side = kernel_size if isinstance(kernel_size, int) else None
    plain = padding == 0 and dilation == 1 and not ceil_mode and not return_indices
    if (
        x.flat
        or side is None
        or stride not in (None, side)
        or not plain
        or len(x.spikes.features) != 3
    ):
        return None
    channels, height, width = x.spikes.features
    rows, columns = height // side, width // side
    pooled = None
    for dy in range(side):
        for dx in range(side):
            part = x.spikes.words[
                ..., dy : dy + rows * side : side, dx : dx + columns * side : side, :
            ]
            pooled = part.clone() if pooled is None else pooled.bitwise_or_(part)
    return SpikeTensor(PackedSpikes(pooled, (channels, rows, columns)), folded=x.folded)


@final
class LazyCurrent(_Lazy):
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

    def held_bytes(self) -> int:
        return 0 if self.made is None else self.made.numel() * self.made.itemsize

    @classmethod
    def take(cls, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        name = getattr(func, "__name__", "")
        if name in ("mul", "multiply", "__mul__", "__rmul__") and len(args) == 2:
            current, other = args if isinstance(args[0], LazyCurrent) else args[::-1]
            return _scaled(current, other)
        if func is fire and isinstance(args[0], LazyCurrent):
            return _fire(*args, **kwargs)
        return None


def _scaled(current: LazyCurrent, other: Any) -> LazyCurrent | None:
    """Take a gain along: a number, or one number a channel that wants no gradient."""
    if current.scale is not None:
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
        if torch.is_grad_enabled() and state.requires_grad:
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
