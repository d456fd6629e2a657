"""posterior/table: numbers and sign vectors, by counting on one's fingers."""

import pytest
import torch

from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.posterior.flat import flatten
from bayesnn_spike.posterior.table import (
    count_of,
    log_products,
    numbers_of,
    plus_masses,
    weights_at,
)
from bayesnn_spike.weights import SignTensor, is_signs

SHAPES = {"kernel": (2, 1, 1, 2), "matrix": (3, 2), "vector": (2,)}
NUMBERS = torch.arange(2**12)


def bits(number: int) -> list[float]:
    return [1.0 if number >> j & 1 else -1.0 for j in range(12)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bit_j_is_weight_j(dtype: torch.dtype) -> None:
    weights = weights_at(NUMBERS, SHAPES, dtype=dtype)
    assert {n: tuple(w.shape[1:]) for n, w in weights.items()} == SHAPES
    assert is_signs(weights["matrix"]) is (dtype == torch.float32)
    expected = torch.tensor([bits(i) for i in range(2**12)], dtype=dtype)
    assert torch.equal(flatten(weights), expected)


def test_the_words_are_those_of_packing() -> None:
    for name, weight in weights_at(NUMBERS, SHAPES).items():
        if is_signs(weight):
            again = SignTensor.of(weight.dense())
            assert torch.equal(weight.signs.words, again.signs.words), name


def test_numbers_come_back() -> None:
    assert torch.equal(numbers_of(weights_at(NUMBERS, SHAPES)), NUMBERS)
    with pytest.raises(ValueError, match=r"only vectors of -1 and \+1 .* got 0.5 and 1 more"):
        numbers_of({"w": torch.tensor([[1.0, 0.5], [0.0, -1.0]])})


def test_products_are_those_of_bernoulli() -> None:
    logits = torch.linspace(-2, 3, 12, dtype=torch.float64)
    parts = dict(zip(SHAPES, logits.split([4, 6, 2]), strict=True))
    posterior = Bernoulli({n: v.reshape(SHAPES[n]) for n, v in parts.items()})
    expected = posterior.log_prob(weights_at(NUMBERS, SHAPES, dtype=torch.float64))
    found = log_products(logits)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(plus_masses(found.exp(), 12), torch.sigmoid(2 * logits))


def test_more_weights_than_can_be_listed_are_refused() -> None:
    assert count_of({"w": (4, 5)}) == 2**20
    with pytest.raises(ValueError, match=r"21 weights are 2\^21 networks; .* use Markov chains"):
        count_of({"w": (3, 7)})
    with pytest.raises(ValueError, match="of 0 weights"):
        count_of({"w": (0, 7)})
