"""One-line guards whose messages name the argument, what was found and what was expected."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from numbers import Real
from operator import index
from typing import Any

import torch
from torch import Tensor


def require_ndim(tensor: Tensor, name: str, axes: str, *allowed: int) -> None:
    """Raise ValueError unless `tensor.ndim` is among `allowed`; `axes` spells the layout."""
    if tensor.ndim not in allowed:
        raise ValueError(f"{name} must be {axes}, got shape {tuple(tensor.shape)}")


def require_shape(tensor: Tensor, name: str, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless the shape is exactly `shape`."""
    if tuple(tensor.shape) != tuple(shape):
        raise ValueError(f"{name} must have shape {tuple(shape)}, got {tuple(tensor.shape)}")


def require_state(state: Tensor, name: str, like: Tensor) -> None:
    """Raise ValueError unless a carried state fits the input in shape, dtype and device.

    A state is never reshaped or zeroed silently: a wrong one is a bug of the caller.
    """
    wrong = []
    if state.shape != like.shape:
        wrong.append(f"shape {tuple(state.shape)} instead of {tuple(like.shape)}")
    if state.dtype != like.dtype:
        wrong.append(f"dtype {state.dtype} instead of {like.dtype}")
    if state.device != like.device:
        wrong.append(f"device {state.device} instead of {like.device}")
    if wrong:
        raise ValueError(f"{name} has {', '.join(wrong)}; pass None to start from rest")


def require_positive(value: float, name: str) -> None:
    """Raise ValueError unless `value` > 0 (NaN fails)."""
    if not value > 0:
        raise ValueError(f"{name} must be positive, got {value!r}")


def require_size(value: Any, name: str) -> None:
    """Raise unless `value` is a positive, finite number: TypeError if it is no number."""
    if not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {value!r}")


def require_whole(value: Any, name: str) -> None:
    """Raise ValueError unless `value` is a whole number of 1 or more; 2.0 and True are none."""
    try:
        whole = not isinstance(value, bool) and index(value) == value
    except TypeError:
        whole = False
    if not whole:
        found = f"a {type(value).__name__}" if isinstance(value, Tensor) else repr(value)
        raise ValueError(f"{name} must be a whole number, got {found}")
    require_positive(value, name)


def require_kind(value: Any, name: str, *allowed: type) -> None:
    """Raise TypeError unless `value` is of one of some classes; a class itself is no value."""
    if isinstance(value, allowed):
        return
    wanted = " or ".join(_call(kind) for kind in allowed)
    found = f"the class {value.__name__} itself" if isinstance(value, type) else repr(value)
    raise TypeError(f"{name} must be {wanted}, got {found}")


def require_decay(value: float, name: str) -> None:
    """Raise ValueError unless 0 <= value < 1: a running mean that forgets (NaN fails)."""
    if not 0 <= value < 1:
        raise ValueError(f"{name} must lie in [0, 1), got {value!r}")


def require_interval(value: float, name: str, low: float, high: float) -> None:
    """Raise ValueError unless low <= value <= high (NaN fails)."""
    if not low <= value <= high:
        raise ValueError(f"{name} must lie in [{low}, {high}], got {value!r}")


def require_finite(tensor: Tensor, name: str) -> None:
    """Raise ValueError if a value is NaN or infinite, and say how many and where the first is."""
    bad = ~torch.isfinite(tensor)
    if bool(bad.any()):
        first = tuple(bad.nonzero()[0].tolist())
        raise ValueError(
            f"{name} has {int(bad.sum())} values that are not finite, first at {first}"
        )


def require_same_names(found: Mapping, expected: Mapping, name: str, reference: str) -> None:
    """Raise ValueError unless two dictionaries have the same keys; name the difference."""
    missing = sorted(set(expected) - set(found))
    extra = sorted(set(found) - set(expected))
    if missing or extra:
        raise ValueError(
            f"{name} does not match {reference}: missing {missing}, unexpected {extra}"
        )


def _call(kind: type) -> str:
    """How a value of a class is written: with dots where an option has no default."""
    asks = is_dataclass(kind) and any(
        f.default is MISSING and f.default_factory is MISSING for f in fields(kind)
    )
    return f"{kind.__name__}({'...' if asks else ''})"
