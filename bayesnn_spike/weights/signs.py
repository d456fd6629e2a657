"""Binary weights as tensors: what `torch.func.functional_call` puts in the place of numbers.

`SignTensor` holds packed signs, `DrawnSigns` the recipe of K draws that exist only where a kernel
makes them. Both answer `linear` and `conv2d`, ours and torch's, on `[*K, T, B, *features]`; spikes
go to the packed engine, anything else is multiplied with the signs as numbers. Every other
operation is refused with what to do instead. Oracle: tests/weights/test_signs.py.
"""

import operator
from copy import deepcopy
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor

from bayesnn_spike.ops import RefusedError
from bayesnn_spike.ops.draw.signs import Drawn, Packed, Signs
from bayesnn_spike.ops.synapse import conv2d, linear
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights

# What torch itself asks of a tensor without touching its numbers.
METADATA = {
    "__get__",
    "size",
    "dim",
    "numel",
    "element_size",
    "is_floating_point",
    "is_complex",
    "stride",
    "__len__",
    "__hash__",
}
LINEAR, CONV2D = (linear, F.linear), (conv2d, F.conv2d)


class BinaryWeight(torch.Tensor):
    """A float32 tensor by its looks, signs by what it holds.

    Attributes:
        signs: the K draws.
        one: the draw axis is not shown: `[*shape]`, a single network.
    """

    signs: Signs
    one: bool

    @staticmethod
    def __new__(cls, signs: Signs, one: bool = False) -> "BinaryWeight":
        shape = signs.size if one else signs.shape
        made = torch.Tensor._make_wrapper_subclass(
            cls, shape, dtype=torch.float32, device=signs.device
        )
        made.signs, made.one = signs, one
        return made

    def dense(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return -1 and +1 as numbers, of this shape."""
        values = self.signs.dense(dtype)
        return values[0] if self.one else values

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={tuple(self.shape)}, device={self.device})"

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in LINEAR or func in CONV2D:
            from bayesnn_spike.weights.apply import apply

            return apply(func, *positional(args, kwargs), **kwargs)
        name = getattr(func, "__name__", str(func))
        if name in METADATA:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **kwargs)
        if args and isinstance(args[0], BinaryWeight) and name in _KEEPING:
            return _KEEPING[name](*args, **kwargs)
        raise RefusedError(_unsupported(cls, name))

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RefusedError(_unsupported(cls, str(func)))


def positional(args: tuple, kwargs: dict[str, Any]) -> tuple:
    """Return positional arguments with torch's `input` first, if it was given by name."""
    return (kwargs.pop("input"), *args) if "input" in kwargs else args


def _unsupported(cls: type, name: str) -> str:
    return (
        f"{cls.__name__} supports linear and conv2d (of bayesnn_spike and of torch.nn.functional), "
        f".dense(), .to() and slices over its draws, not {name}; use .dense() for numbers, and "
        "multiply currents rather than signs by a gain"
    )


@final
class SignTensor(BinaryWeight):
    """K packed sets of signs, one bit a weight.

    Args:
        signs: the words and their shape; `SignTensor.of` packs numbers.
        one: hide the draw axis of a single draw.
    """

    @staticmethod
    def of(weights: Tensor) -> "SignTensor":
        """Pack weights `[K, *shape]` of -1 and +1.

        Raises:
            ValueError: a weight is neither -1 nor +1.
        """
        return SignTensor(Packed.of(weights))


@final
class DrawnSigns(BinaryWeight):
    """Draws first to first + draws of Bernoulli signs: logits and one integer.

    Args:
        signs: the recipe; `DrawnSigns.of` makes one.
        one: hide the draw axis of a single draw.
    """

    @staticmethod
    def of(logits: Tensor, stream: Stream, draws: int, first: int = 0) -> "DrawnSigns":
        """Return K draws of the parameter whose stream this is.

        Args:
            logits: natural parameters `[*shape]`.
            stream: the parameter's stream.
            draws: K.
            first: index of the first draw.
        """
        return DrawnSigns(Drawn(logits.detach(), stream, draws, first))

    def packed(self) -> SignTensor:
        """Draw, one bit a weight."""
        return SignTensor(self.signs.packed(), self.one)


def is_signs(weight: Any) -> bool:
    """Return whether a weight is a `SignTensor` or `DrawnSigns`."""
    return isinstance(weight, BinaryWeight)


def dense(weight: Tensor) -> Tensor:
    """Return a weight as numbers, whatever it is."""
    return weight.dense() if isinstance(weight, BinaryWeight) else weight


def pack_signs(weights: Weights) -> Weights:
    """Pack the leaves `[K, M, *in]` that are float32 and all -1 or +1; leave the others alone."""
    return {name: _packed(w) for name, w in weights.items()}


def _packed(weight: Tensor) -> Tensor:
    plain = type(weight) in (Tensor, torch.nn.Parameter) and not weight.requires_grad
    if not plain or weight.dtype != torch.float32 or weight.ndim < 3 or not weight.numel():
        return weight
    return SignTensor.of(weight) if bool((weight.abs() == 1).all()) else weight


def _get(weight: BinaryWeight, index: Any) -> BinaryWeight:
    """Slices and single draws along K."""
    if weight.one:
        raise TypeError("a single network has no draw axis to index; use .dense() for numbers")
    draws = weight.signs.draws
    if isinstance(index, slice):
        start, stop, step = index.indices(draws)
        if step != 1:
            raise IndexError(f"draws are sliced in steps of 1, got {index}")
        return type(weight)(weight.signs.narrow(start, max(0, stop - start)))
    if hasattr(index, "__index__") and not isinstance(index, bool | Tensor):
        index = operator.index(index)
        if not -draws <= index < draws:
            raise IndexError(f"draw {index} of {draws}")
        return type(weight)(weight.signs.narrow(index % draws, 1), one=True)
    raise TypeError(f"draws are indexed by a number or a slice, got {index!r}")


def _to(weight: BinaryWeight, *args: Any, **kwargs: Any) -> BinaryWeight:
    """Another device; signs have no other dtype than that of their numbers."""
    device, dtype, *_ = torch._C._nn._parse_to(*args, **kwargs)
    if dtype not in (None, torch.float32):
        raise TypeError(f"signs are bits; use .dense({dtype}) for numbers of that dtype")
    if device is None or device == weight.signs.device:
        return weight
    return type(weight)(weight.signs.to(device), weight.one)


_KEEPING = {
    "__getitem__": _get,
    "to": _to,
    "cpu": lambda weight: _to(weight, "cpu"),
    "cuda": lambda weight, device=None: _to(weight, device or "cuda"),
    "detach": lambda weight: weight,
    "__deepcopy__": lambda weight, memo: type(weight)(deepcopy(weight.signs, memo), weight.one),
    "__reduce_ex__": lambda weight, _protocol: (type(weight), (weight.signs, weight.one)),
    "__format__": lambda weight, spec: format(repr(weight), spec),
    "contiguous": lambda weight, **_: weight,
}
