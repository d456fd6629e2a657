"""ops/draw/uniform: the documented words, and chunks that join."""

import torch

from bayesnn_spike.ops.draw import random_bits
from bayesnn_spike.ops.draw.uniform import uniforms
from bayesnn_spike.rng import Stream

STREAM = Stream(5)


def test_the_numbers_are_53_bits_of_two_words() -> None:
    words = random_bits((6,), stream=STREAM, draws=4).tolist()
    expected = [
        [((row[j] * 2**31 + row[j + 1]) >> 9) / 2**53 for j in range(0, 6, 2)] for row in words
    ]
    assert uniforms(3, stream=STREAM, draws=4).tolist() == expected


def test_chunks_join() -> None:
    whole = uniforms(3, stream=STREAM, draws=10)
    assert torch.equal(torch.cat([whole[:4], uniforms(3, stream=STREAM, draws=6, first=4)]), whole)


def test_the_numbers_are_uniform() -> None:
    """Mean, spread and the lowest bits, each at 5 sigma."""
    numbers = uniforms(8, stream=STREAM, draws=20_000).flatten()
    count = len(numbers)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert abs(float(numbers.mean()) - 0.5) < 5 * (1 / 12 / count) ** 0.5
    assert abs(float(numbers.var()) - 1 / 12) < 5 * (1 / 180 / count) ** 0.5
    low = (numbers * 2**53).long() & 1
    assert abs(float(low.double().mean()) - 0.5) < 5 * (0.25 / count) ** 0.5
