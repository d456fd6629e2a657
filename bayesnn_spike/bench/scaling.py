"""The sweep: how the cost of a sampled forward grows with K, T, B and width, one at a time.

All points of an axis are timed in turn, and a straight line `a + b n` is fitted to each
implementation's medians; `deviation` is how far a point is from it at most, as a share.
The network has one hidden layer, so that its cost is linear in the width.
Oracle: tests/bench/test_scaling.py.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from bayesnn_spike.bench import forward
from bayesnn_spike.bench.cases import Case, mlp
from bayesnn_spike.bench.group import Group

WHO = ("cpu", "triton", "torch-fused-t")
AXES = ("k", "steps", "batch", "width")


def groups(axis: str, device: str, *, quick: bool) -> Iterator[Group]:
    """Yield one job for every size of an axis, from small to large."""
    for value in _values(axis, quick):
        case = _network(value if axis == "width" else 0, quick)
        if axis == "k":
            case = replace(case, draws=(value,))
        elif axis != "width":
            case = replace(case, **{axis: value})
        (job,) = forward.groups([case], device)
        yield replace(job, bench="scaling", who=WHO, extra={"axis": axis, "value": value})


def straight_line(values: Sequence[int], seconds: Sequence[float]) -> tuple[float, float, float]:
    """Fit `a + b n` with a >= 0 to times, weighing relative errors alike.

    Returns:
        a, b and the largest deviation of a point from the line, as a share of the line.
    """
    n, t = np.asarray(values, np.float64), np.asarray(seconds, np.float64)
    rows = np.stack([1 / t, n / t], 1)
    (a, b), *_ = np.linalg.lstsq(rows, np.ones(len(t)), rcond=None)
    if a < 0:
        a, b = 0.0, float((n / t).sum() / (n / t * n / t).sum())
    return float(a), float(b), float(np.abs(t / (a + b * n) - 1).max())


def _values(axis: str, quick: bool) -> tuple[int, ...]:
    if quick:
        return (2, 4, 8)
    return {
        "k": (4, 8, 16, 32, 64),
        "steps": (6, 12, 25, 50, 100),
        "batch": (16, 32, 64, 128, 256),
        "width": (128, 256, 512, 1024, 2048),
    }[axis]


def _network(width: int, quick: bool) -> Case:
    inputs, hidden = (130, 64) if quick else (2312, 512)
    return mlp(
        f"{inputs}-{width or hidden}-10",
        (inputs, width or hidden, 10),
        steps=5 if quick else 25,
        batch=4 if quick else 64,
        density=0.03,
        draws=(2 if quick else 16,),
        checked=1,
        alone=1,
    )
