"""learn/initial: first latents as values."""

import pytest
import torch
from scipy import stats

from bayesnn_spike.learn.initial import CoinFlip, Given, Normal, Uniform, initialise
from bayesnn_spike.ops.draw import draw_signs
from bayesnn_spike.rng import Stream

LIKE = torch.zeros(100, 200)
ALL = [CoinFlip(2.0), Uniform(0.1), Normal(1.5), Given()]


def test_coin_flip_is_a_fair_draw_of_signs() -> None:
    found = CoinFlip(10.0)(LIKE, Stream(1))
    assert torch.equal(found, 10 * draw_signs(LIKE, stream=Stream(1))[0])
    plus = int((found > 0).sum())
    assert stats.binomtest(plus, found.numel(), 0.5).pvalue > 1e-4


def test_uniform_and_normal_have_their_laws() -> None:
    uniform = Uniform(0.5)(LIKE, Stream(2)).double().numpy().ravel()
    assert stats.kstest(uniform, "uniform", args=(-0.5, 1.0)).pvalue > 1e-3
    normal = Normal(1.5)(LIKE, Stream(2)).double().numpy().ravel()
    assert stats.kstest(normal, "norm", args=(0, 1.5)).pvalue > 1e-3


def test_given_is_a_copy() -> None:
    like = torch.ones(3)
    found = Given()(like, Stream(0))
    assert torch.equal(found, like)
    assert found.data_ptr() != like.data_ptr()


@pytest.mark.parametrize("initial", ALL, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_dtype_and_bits_follow_from_the_arguments(initial, dtype: torch.dtype) -> None:
    like = torch.ones(4, 5, dtype=dtype, requires_grad=True)
    one, two = (initialise(initial, {"w": like}, Stream(3))["w"] for _ in range(2))
    assert one.shape == (4, 5)
    assert one.dtype == dtype
    assert not one.requires_grad
    assert torch.equal(one, two)


@pytest.mark.parametrize("initial", ALL[:3], ids=repr)
def test_each_parameter_has_its_own_stream(initial) -> None:
    params = {"a": LIKE, "b": LIKE}
    both = initialise(initial, params, Stream(3))
    assert not torch.equal(both["a"], both["b"])
    alone = initialise(initial, {"b": LIKE}, Stream(3))
    assert torch.equal(alone["b"], both["b"])


@pytest.mark.parametrize(
    ("kind", "name"),
    [(CoinFlip, "magnitude"), (Uniform, "bound"), (Normal, "deviation")],
)
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_a_size_that_is_not_positive_is_refused(kind: type, name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"{kind.__name__}\.{name} must be positive"):
        kind(value)
