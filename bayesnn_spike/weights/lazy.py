"""Currents and spikes that stay bits until somebody wants numbers.

`linear` with packed signs gives a `LazyCurrent`; a gain is taken along; `fire` turns it into a
`SpikeTensor` in one pass; pooling, flattening and the next layer take the bits. Any other operation
gets ordinary numbers, so a user's own module works between ours, at the speed of numbers.
Oracle: tests/weights/test_lazy.py.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from bayesnn_spike.ops import RefusedError
from bayesnn_spike.ops.draw.signs import Drawn
from bayesnn_spike.weights.signs import CONV2D, LINEAR, METADATA, BinaryWeight, positional


class Lazy(torch.Tensor):
    """A float32 tensor by its looks; numbers are made on demand."""

    def dense(self) -> Tensor:
        """Return the numbers."""
        raise TypeError(f"{type(self).__name__} must define dense")

    def held_bytes(self) -> int:
        """Return what is really held in memory."""
        raise TypeError(f"{type(self).__name__} must define held_bytes")

    def keeps_from(self, name: str) -> bool:
        """Return whether an operation would change numbers that nobody sees."""
        changes = name.endswith("_") and not name.endswith("__")
        return changes or name == "__setitem__"

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

            args = positional(args, kwargs)
            if has_signs(*args, **kwargs):
                return apply(func, *args, **kwargs)
        found = cls.take(func, args, kwargs) if args else None
        if found is not None:
            return found
        if name == "__set__" or (args and isinstance(args[0], Lazy) and args[0].keeps_from(name)):
            raise RefusedError(
                f"{cls.__name__} is bits, which {name} cannot change in place; take an operation "
                "that returns a new tensor, or change the numbers of .dense()"
            )
        return func(*numbers(args), **numbers(kwargs))

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*numbers(args), **numbers(kwargs or {}))


def numbers(values: Any) -> Any:
    """Make numbers of all lazy tensors in a tree."""
    return tree_map(lambda x: x.dense() if isinstance(x, Lazy) else x, values)


def is_lazy(values: Any) -> bool:
    """Return whether a tensor is bits that have not been turned into numbers."""
    return isinstance(values, Lazy)


def held_bytes(values: Tensor) -> int:
    """Return the bytes that a tensor holds in memory, whatever it is."""
    if isinstance(values, Lazy):
        return values.held_bytes()
    if isinstance(values, BinaryWeight):
        signs = values.signs
        return 0 if isinstance(signs, Drawn) else signs.words.numel() * signs.words.itemsize
    return values.numel() * values.element_size()
