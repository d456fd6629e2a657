"""nn/layers: scales, draw axes through functional_call, folding."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from bayesnn_spike.nn import Conv2d, Flatten, Fold, Linear
from tests.ops import cases

T, B = 3, 4


def test_linear_scales_the_current_by_gain_over_root_fan_in() -> None:
    layer = Linear(9, 2, gain=6.0)
    x, w = cases.spikes(T, B, 9), cases.signs(2, 9)
    found = functional_call(layer, {"weight": w}, (x,))
    torch.testing.assert_close(found, (x @ w.T) * 2.0)
    assert layer.scale == 2.0


def test_conv2d_scales_the_current_by_gain_over_root_fan_in() -> None:
    layer = Conv2d(2, 3, 3, gain=2.0, stride=2, padding=1)
    x, w = cases.spikes(T, B, 2, 5, 5), cases.signs(3, 2, 3, 3)
    found = functional_call(layer, {"weight": w}, (x,))
    expected = F.conv2d(x.flatten(0, 1), w, stride=2, padding=1) * (2 / math.sqrt(18))
    torch.testing.assert_close(found.flatten(0, 1), expected)
    assert layer.scale == 2 / math.sqrt(18)


@pytest.mark.parametrize(
    ("layer", "x", "w", "b"),
    [
        (Linear(4, 2, bias=True), (T, B, 4), (2, 4), (2,)),
        (Conv2d(2, 3, 3, bias=True), (T, B, 2, 4, 4), (3, 2, 3, 3), (3,)),
    ],
    ids=["linear", "conv2d"],
)
def test_a_bias_is_scaled_and_added_at_every_step(layer, x, w, b) -> None:
    x, w, b = cases.spikes(*x), cases.signs(*w), cases.signs(*b, seed=1)
    with_bias = functional_call(layer, {"weight": w, "bias": b}, (x,))
    without = functional_call(layer, {"weight": w, "bias": torch.zeros_like(b)}, (x,))
    difference = (with_bias - without).movedim(2, -1) / layer.scale
    torch.testing.assert_close(difference, b.expand_as(difference))


@pytest.mark.parametrize("draws", [1, 3])
@pytest.mark.parametrize(
    ("layer", "shape"),
    [(Linear(4, 2, bias=True), (T, B, 4)), (Conv2d(2, 3, 3, bias=True), (T, B, 2, 4, 4))],
    ids=["linear", "conv2d"],
)
def test_weights_with_draws_come_through_functional_call(layer, shape, draws: int) -> None:
    x = cases.spikes(*shape)
    weights = {
        name: cases.signs(draws, *p.shape, seed=i)
        for i, (name, p) in enumerate(layer.named_parameters())
    }
    found = functional_call(layer, weights, (x,))
    for k in range(draws):
        one = functional_call(layer, {name: w[k] for name, w in weights.items()}, (x,))
        torch.testing.assert_close(found[k], one)
    assert all(p.ndim in (1, 2, 4) and bool((p == 1).all()) for p in layer.parameters())


def test_a_layer_without_bias_has_none() -> None:
    assert list(Linear(3, 2).state_dict()) == ["weight"]
    assert list(Conv2d(3, 2, 3, bias=True).state_dict()) == ["weight", "bias"]


def test_flatten_joins_the_features_alone() -> None:
    x = cases.normal(2, T, B, 2, 3, 4)
    assert torch.equal(Flatten()(x), x.reshape(2, T, B, 24))
    assert torch.equal(Flatten(2)(x), x.reshape(2, T, B, 2, 12))


@pytest.mark.parametrize("leading", [(T, B), (2, T, B)])
def test_fold_runs_a_module_that_knows_one_batch_axis(leading: tuple[int, ...]) -> None:
    x = cases.normal(*leading, 2, 4, 6)
    found = Fold(nn.AvgPool2d(2), feature_dims=3)(x)
    assert found.shape == (*leading, 2, 2, 3)
    torch.testing.assert_close(found[1, 2], F.avg_pool2d(x[1, 2], 2))


@pytest.mark.parametrize("gain", [0.0, -1.0, float("nan")])
def test_a_gain_is_positive(gain: float) -> None:
    """A negative one would turn the signs round."""
    with pytest.raises(ValueError, match="gain must be positive"):
        Linear(3, 2, gain=gain)
    with pytest.raises(ValueError, match="gain must be positive"):
        Conv2d(3, 2, 3, gain=gain)


def test_the_repr_says_what_it_is() -> None:
    assert repr(Linear(4, 2, gain=2.0)) == "Linear(4, 2, scale=1, bias=False)"
    assert repr(Conv2d(1, 2, 3)) == "Conv2d(2x1x3x3, stride=1, padding=0, scale=0.333333)"
