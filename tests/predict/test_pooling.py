"""predict/pooling: three orders of mean and softmax, by hand; they are not the same."""

import math

import pytest
import torch

from bayesnn_spike.predict import MeanOfSteps, SoftmaxOfMean, SoftmaxOfRate
from tests.ops import cases

READOUT = cases.normal(3, 4, 5, 6)  # [K, T, B, C]


def softmax(values: list[float]) -> list[float]:
    total = sum(math.exp(v) for v in values)
    return [math.exp(v) / total for v in values]


def mean(rows: list[list[float]]) -> list[float]:
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]


def by_hand(pooling, readout: torch.Tensor) -> list[float]:
    """One example `[K, T, C]` in Python's floats."""
    draws = readout.tolist()
    if isinstance(pooling, SoftmaxOfRate):
        return mean([softmax(mean(steps)) for steps in draws])
    if isinstance(pooling, MeanOfSteps):
        return mean([mean([softmax(r) for r in steps]) for steps in draws])
    return softmax(mean([mean(steps) for steps in draws]))


ALL = [SoftmaxOfRate(), MeanOfSteps(), SoftmaxOfMean()]


@pytest.mark.parametrize("pooling", ALL, ids=repr)
def test_the_formula_by_hand(pooling) -> None:
    found = pooling.pool(pooling.members(READOUT))
    for b in range(5):
        assert found[b].tolist() == pytest.approx(by_hand(pooling, READOUT[:, :, b]), rel=1e-12)


@pytest.mark.parametrize("pooling", ALL, ids=repr)
def test_members_are_log_probabilities(pooling) -> None:
    members = pooling.members(READOUT)
    assert members.shape == (3, 5, 6)
    torch.testing.assert_close(members.exp().sum(-1), torch.ones(3, 5, dtype=torch.float64))


@pytest.mark.parametrize("pooling", ALL, ids=repr)
def test_one_network_is_pooled_to_itself(pooling) -> None:
    members = pooling.members(READOUT[:1])
    torch.testing.assert_close(pooling.pool(members), members[0].exp())


def test_the_orders_differ_and_are_named() -> None:
    found = [pooling.pool(pooling.members(READOUT)) for pooling in ALL]
    for i in range(3):
        assert not torch.allclose(found[i], found[i - 1], atol=1e-3)
    assert [p.formula for p in ALL] == [
        "mean_k softmax(mean_t r)",
        "mean_k mean_t softmax(r_t)",
        "softmax(mean_k mean_t r)",
    ]


def test_a_probability_of_zero_stays_zero() -> None:
    readout = torch.tensor([[[[200.0, 0.0]]]]).repeat(2, 3, 1, 1)
    found = MeanOfSteps().pool(MeanOfSteps().members(readout))
    assert found.tolist() == [[1.0, 0.0]]
