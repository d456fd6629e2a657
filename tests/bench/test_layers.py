"""Descriptions say the same as the layers that are built from them."""

import math

from bayesnn_spike.bench.layers import Conv, Dense
from bayesnn_spike.nn import Conv2d, Linear


def test_a_dense_layer_scales_as_ours() -> None:
    layer, ours = Dense("a", 50, 7, 4.0), Linear(50, 7, gain=4.0)
    assert layer.scale == ours.scale == 4.0 / math.sqrt(50)
    assert layer.shape == tuple(ours.weight.shape)


def test_a_convolution_scales_as_ours_and_keeps_the_map() -> None:
    layer, ours = Conv("a", 3, 5, 3, 2.0), Conv2d(3, 5, 3, padding=1, gain=2.0)
    assert layer.scale == ours.scale == 2.0 / math.sqrt(27)
    assert layer.shape == tuple(ours.weight.shape)
    assert layer.padding == ours.padding == 1
