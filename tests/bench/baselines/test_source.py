"""Weights handed in come back as they are; weights drawn have the frequencies of their logits."""

import pytest
import torch

from bayesnn_spike.bench.baselines.source import Drawn, Given, laid_out
from bayesnn_spike.rng import Stream

LOGITS = {
    "a.weight": torch.tensor([-0.7, 0.0, 0.4]).repeat(64, 1),
    "b.weight": torch.zeros(6, 2, 3, 3),
}


def drawn(draws: int = 2, dtype: torch.dtype = torch.float32, seed: int = 3) -> Drawn:
    return Drawn.of(LOGITS, draws, Stream(seed), dtype)


def test_given_weights_are_handed_out_one_by_one_and_together() -> None:
    weights = {"a.weight": torch.randn(3, 4, 5, generator=Stream(1).generator()).sign()}
    source = Given(weights)
    assert source.draws == 3
    for k in range(3):
        assert torch.equal(source.one(k)["a.weight"], weights["a.weight"][k])
    assert torch.equal(source.all()["a.weight"], weights["a.weight"])
    assert Given(weights, torch.bfloat16).all()["a.weight"].dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_draws_are_signs_of_the_shape(dtype: torch.dtype) -> None:
    source = drawn(dtype=dtype)
    one, together = source.one(0), source.all()
    for name, values in LOGITS.items():
        assert one[name].shape == values.shape
        assert together[name].shape == (2, *values.shape)
        for signs in (one[name], together[name]):
            assert signs.dtype == dtype
            assert set(signs.unique().tolist()) <= {-1.0, 1.0}


def test_frequencies_are_those_of_the_logits() -> None:
    source, draws = drawn(), 200
    total = sum(source.one(k)["a.weight"].double() for k in range(draws))
    mean = (total / draws).mean(0)
    right = LOGITS["a.weight"][0].double().tanh()
    error = ((1 - right.square()) / (draws * 64)).sqrt()
    assert bool(((mean - right).abs() < 5 * error).all())


def test_every_draw_is_another_and_a_stream_repeats_itself() -> None:
    first, again = drawn(), drawn()
    one = first.one(0)["a.weight"].clone()
    assert torch.equal(one, again.one(0)["a.weight"])
    assert not torch.equal(one, first.one(1)["a.weight"])
    assert not torch.equal(one, drawn(seed=4).one(0)["a.weight"])
    together = first.all()["a.weight"]
    assert not torch.equal(together[0], together[1])


def test_the_memory_of_a_draw_is_kept() -> None:
    source = drawn()
    assert source.one(0)["a.weight"].data_ptr() == source.one(1)["a.weight"].data_ptr()


def test_kernels_lie_channels_last() -> None:
    kernel = drawn().one(0)["b.weight"]
    assert kernel.is_contiguous(memory_format=torch.channels_last)
    assert laid_out(torch.zeros(2, 3, 4, 5)).is_contiguous(memory_format=torch.channels_last)
    matrix = torch.zeros(2, 3)
    assert laid_out(matrix) is matrix
