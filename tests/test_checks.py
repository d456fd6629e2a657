"""checks: every guard is seen letting the good through and naming what is bad."""

import math

import numpy as np
import pytest
import torch

from bayesnn_spike import checks
from bayesnn_spike.encoding import Direct
from bayesnn_spike.neurons import Delayed, Immediate

NAN = float("nan")


def test_ndim() -> None:
    checks.require_ndim(torch.zeros(2, 3), "x", "[T, B]", 2, 3)
    with pytest.raises(ValueError, match=r"x must be \[\*K, T, B\], got shape \(2, 3\)"):
        checks.require_ndim(torch.zeros(2, 3), "x", "[*K, T, B]", 3, 4)


def test_shape() -> None:
    checks.require_shape(torch.zeros(2, 3), "x", (2, 3))
    for shape in ((3, 2), (2,), (2, 3, 1)):
        with pytest.raises(ValueError, match=r"x must have shape .*, got \(2, 3\)"):
            checks.require_shape(torch.zeros(2, 3), "x", shape)


@pytest.mark.parametrize(
    ("state", "wrong"),
    [
        (torch.zeros(2), r"shape \(2,\) instead of \(3,\)"),
        (torch.zeros(3).int(), "dtype torch.int32 instead of torch.float32"),
        (torch.zeros(3, device="meta"), "device meta instead of cpu"),
        (
            torch.zeros(1, dtype=torch.half, device="meta"),
            r"shape \(1,\) instead of \(3,\), dtype torch.float16 instead of torch.float32, "
            "device meta instead of cpu",
        ),
    ],
)
def test_state(state: torch.Tensor, wrong: str) -> None:
    checks.require_state(torch.ones(3), "v", torch.zeros(3))
    with pytest.raises(ValueError, match=f"v has {wrong}; pass None to start from rest"):
        checks.require_state(state, "v", torch.zeros(3))


@pytest.mark.parametrize("value", [0, -1, -0.0, NAN, -math.inf])
def test_positive(value: float) -> None:
    checks.require_positive(1e-300, "lr")
    checks.require_positive(math.inf, "lr")
    with pytest.raises(ValueError, match=f"lr must be positive, got {value!r}"):
        checks.require_positive(value, "lr")


@pytest.mark.parametrize("value", [-1e-9, 1.000001, NAN, math.inf])
def test_interval(value: float) -> None:
    checks.require_interval(0.0, "p", 0.0, 1.0)
    checks.require_interval(1.0, "p", 0.0, 1.0)
    with pytest.raises(ValueError, match=rf"p must lie in \[0.0, 1.0\], got {value!r}"):
        checks.require_interval(value, "p", 0.0, 1.0)


def test_finite() -> None:
    checks.require_finite(torch.zeros(2, 3), "w")
    checks.require_finite(torch.zeros(0), "w")
    bad = torch.zeros(2, 3)
    bad[1, 0], bad[1, 2] = math.inf, NAN
    with pytest.raises(ValueError, match=r"w has 2 values that are not finite, first at \(1, 0\)"):
        checks.require_finite(bad, "w")


@pytest.mark.parametrize(
    ("found", "missing", "extra"),
    [
        ({"a": 1}, "['b']", "[]"),
        ({"a": 1, "b": 2, "c": 3}, "[]", "['c']"),
        ({}, "['a', 'b']", "[]"),
    ],
)
def test_same_names(found: dict, missing: str, extra: str) -> None:
    expected = {"a": 0, "b": 0}
    checks.require_same_names({"b": 0, "a": 0}, expected, "weights", "the posterior")
    with pytest.raises(ValueError) as error:
        checks.require_same_names(found, expected, "weights", "the posterior")
    assert str(error.value) == (
        f"weights does not match the posterior: missing {missing}, unexpected {extra}"
    )


@pytest.mark.parametrize("value", [1.0, -1e-9, NAN, 2.0])
def test_decay(value: float) -> None:
    checks.require_decay(0.0, "beta")
    checks.require_decay(0.999999, "beta")
    with pytest.raises(ValueError, match=rf"beta must lie in \[0, 1\), got {value!r}"):
        checks.require_decay(value, "beta")


@pytest.mark.parametrize("value", [2.5, 2.0, True, "2", None, torch.ones(2)])
def test_whole_numbers(value: object) -> None:
    for good in (1, np.int64(3), torch.tensor(4)):
        checks.require_whole(good, "steps")
    with pytest.raises(ValueError, match="steps must be a whole number, got "):
        checks.require_whole(value, "steps")
    with pytest.raises(ValueError, match="steps must be positive, got 0"):
        checks.require_whole(0, "steps")


def test_sizes_are_positive_finite_numbers() -> None:
    for good in (1, 0.5, np.float32(2.0)):
        checks.require_size(good, "scale")
    for bad in ("1", None, (1.0,)):
        with pytest.raises(TypeError, match="scale must be a number, got "):
            checks.require_size(bad, "scale")
    for bad in (0, -1.0, NAN, math.inf):
        with pytest.raises(ValueError, match="scale must be positive and finite, got "):
            checks.require_size(bad, "scale")


def test_kinds_are_named_as_they_are_written() -> None:
    checks.require_kind(Delayed(), "order", Immediate, Delayed)
    with pytest.raises(TypeError, match=r"must be Immediate\(\) or Delayed\(\), got 'delayed'"):
        checks.require_kind("delayed", "order", Immediate, Delayed)
    with pytest.raises(TypeError, match="got the class Delayed itself"):
        checks.require_kind(Delayed, "order", Immediate, Delayed)
    with pytest.raises(TypeError, match=r"encoder must be Direct\(\.\.\.\), got 32"):
        checks.require_kind(32, "encoder", Direct)
