"""Guards at the door of every score: probabilities `[N, C]`, labels `[N]`, numpy or torch.

Everything behind this door is numpy in float64. What is refused here is what has silently
given wrong numbers elsewhere: logits in place of probabilities, a class axis of size 1,
one-hot labels, probabilities that do not sum to one.

Oracle: tests/calibration/test_inputs.py.
"""

import numpy as np
from torch import Tensor

Array = np.ndarray | Tensor
"""What a score accepts; a tensor may live on any device and may carry gradients."""

SUM_TOLERANCE = 1e-4
"""How far a row of probabilities may be from 1: float32 softmax over thousands of classes."""


def as_numpy(values: Array, name: str) -> np.ndarray:
    """Return the values as a numpy array, from a tensor or an array.

    Raises:
        TypeError: neither of the two.
    """
    if isinstance(values, Tensor):
        detached = values.detach().cpu()
        # numpy has no bfloat16; float32 holds every value of it.
        half = detached.dtype.is_floating_point and detached.element_size() == 2
        return (detached.float() if half else detached).numpy()
    if isinstance(values, np.ndarray):
        return values
    raise TypeError(f"{name} must be a numpy array or a torch tensor, got {type(values).__name__}")


def as_probabilities(probs: Array, *, axes: tuple[str, ...] = ("N", "C")) -> np.ndarray:
    """Return probabilities as float64, checked.

    Args:
        probs: `[N, C]`, or `[S, N, C]` where `axes` says so.
        axes: the names of the expected axes; the last one is the classes.

    Raises:
        TypeError: not an array or tensor of floating-point numbers.
        ValueError: wrong number of axes, no example, fewer than two classes, a value that is
            not finite or lies outside [0, 1], or rows that do not sum to 1.
    """
    raw = as_numpy(probs, "probs")
    if not np.issubdtype(raw.dtype, np.floating):
        raise TypeError(f"probs must be floating-point, got {raw.dtype}")
    wanted = f"[{', '.join(axes)}]"
    if raw.ndim != len(axes):
        raise ValueError(f"probs must be {wanted}, got shape {raw.shape}")
    if raw.shape[-1] < 2:
        raise ValueError(
            f"probs must be {wanted} with at least two classes, got shape {raw.shape}; "
            "give a binary head as the two columns (1 - p, p)"
        )
    if raw.size == 0:
        raise ValueError(f"probs must hold at least one example, got shape {raw.shape}")
    values = raw.astype(np.float64)
    if not np.isfinite(values).all():
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise ValueError(f"probs has values that are not finite, first at {first}")
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1 + SUM_TOLERANCE:
        raise ValueError(
            f"probs must lie in [0, 1], found {low:.6g} to {high:.6g}; "
            "if these are logits, apply softmax first"
        )
    sums = values.sum(axis=-1)
    worst = np.unravel_index(np.argmax(np.abs(sums - 1)), sums.shape)
    if abs(sums[worst] - 1) > SUM_TOLERANCE:
        place = tuple(int(i) for i in worst)
        raise ValueError(f"probs must sum to 1 over classes, row {place} sums to {sums[worst]:.6g}")
    return np.minimum(values, 1.0)  # a float32 sum may exceed 1 by rounding


def as_labels(labels: Array, *, examples: int, classes: int) -> np.ndarray:
    """Return labels as int64 `[N]`, checked against the shape of the probabilities.

    Raises:
        TypeError: not an array or tensor of integers.
        ValueError: not one label for each example, or a label outside [0, C).
    """
    raw = as_numpy(labels, "labels")
    if not np.issubdtype(raw.dtype, np.integer):
        raise TypeError(f"labels must be integers, got {raw.dtype}")
    if raw.shape != (examples,):
        raise ValueError(
            f"labels must be [N] with N = {examples} as in probs, got shape {raw.shape}; "
            "give class indices, not one-hot rows"
        )
    low, high = int(raw.min()), int(raw.max())
    if low < 0 or high >= classes:
        raise ValueError(
            f"labels must lie in [0, {classes}) for {classes} classes, found {low} to {high}"
        )
    return raw.astype(np.int64)


def checked(probs: Array, labels: Array) -> tuple[np.ndarray, np.ndarray]:
    """Return (probabilities `[N, C]` float64, labels `[N]` int64) or raise as above."""
    values = as_probabilities(probs)
    return values, as_labels(labels, examples=values.shape[0], classes=values.shape[1])


def checked_seeds(probs: Array, labels: Array) -> tuple[np.ndarray, np.ndarray]:
    """Return (probabilities `[S, N, C]`, labels `[N]`); `[N, C]` is taken as one seed."""
    if as_numpy(probs, "probs").ndim == 2:
        values = as_probabilities(probs)[None]
    else:
        values = as_probabilities(probs, axes=("S", "N", "C"))
    return values, as_labels(labels, examples=values.shape[1], classes=values.shape[2])


def as_losses(losses: Array, name: str) -> np.ndarray:
    """Return per-example losses as float64 `[S, N]`; `[N]` is taken as one seed.

    Raises:
        ValueError: not `[N]` or `[S, N]`, empty, or not finite.
    """
    values = as_numpy(losses, name).astype(np.float64)
    if values.ndim == 1:
        values = values[None]
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"{name} must be [N] or [S, N] and not empty, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} has values that are not finite")
    return values


def top_label(probs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (confidence `[*S, N]`, correct `[*S, N]` as 0.0 / 1.0) of the predicted class.

    Among equal probabilities the class of the lowest index is the prediction.
    """
    predicted = probs.argmax(axis=-1)
    confidence = np.take_along_axis(probs, predicted[..., None], axis=-1)[..., 0]
    return confidence, (predicted == labels).astype(np.float64)
