"""ops/synapse/popcount: population counts of packed products, at every vector width."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from bayesnn_spike.ops._simd import Width
from bayesnn_spike.ops.synapse.popcount import count_active, multiply
from tests.ops import cases, packed

WIDTHS = (2, 4, 8)


@pytest.fixture
def threads() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


def check(case: packed.Problem, width: int) -> None:
    """`[1 or K, R, W]` times `[K, M, W]`, plus a bias, is the sum of signs."""
    x = case.spikes if case.spikes.ndim == 4 else case.spikes[None]
    rows = packed.pack(x.flatten(1, 2).numpy() != 0)
    active = x.flatten(1, 2).sum(-1).numpy().astype(np.int64)
    words = packed.pack(case.weight.numpy() > 0)
    found = multiply(rows, active, words, case.bias.numpy(), Width(width))
    assert found.dtype == np.float32
    expected = packed.linear(case.spikes, case.weight, case.bias).flatten(1, 2)
    np.testing.assert_array_equal(found, expected.numpy())


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("outputs", packed.OUTPUTS)
@pytest.mark.parametrize("inputs", [*packed.COUNTS, 512, 513, 1100])
def test_products_are_exact_at_every_width(inputs, outputs, apart, width) -> None:
    """Below, at and above the eight words of a step, outputs that fill no vector."""
    check(packed.problem(inputs, outputs, k=3, t=2, b=3, rate=0.5, apart=apart), width)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("rate", [0.0, 1.0])
@pytest.mark.parametrize(("k", "t", "b"), [(1, 1, 1), (16, 1, 1), (2, 63, 3), (3, 2, 0)])
def test_silence_and_full_activity(k: int, t: int, b: int, rate: float, width: int) -> None:
    check(packed.problem(300, 65, k=k, t=t, b=b, rate=rate), width)


def test_counts_go_beyond_sixteen_bits() -> None:
    case = packed.problem(70_000, 3, k=1, t=1, b=1, rate=1.0)
    ones = packed.Problem(case.spikes, torch.ones_like(case.weight), case.bias)
    for width in WIDTHS:
        check(case, width)
        check(ones, width)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_threads_change_no_bit(count: int, threads: None) -> None:
    torch.set_num_threads(count)
    check(packed.problem(300, 130, k=3, t=30, b=7, rate=0.5), 4)


def test_active_inputs_are_counted() -> None:
    x = cases.spikes(20, 300, rate=0.5)
    words, out = packed.pack(x.numpy() != 0), np.full(20, -1)
    count_active(words, out, 2, 19)
    expected = x.sum(1).numpy()
    np.testing.assert_array_equal(out[2:19], expected[2:19])
    assert out[[0, 1, 19]].tolist() == [-1] * 3
