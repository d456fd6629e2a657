"""ops/synapse/quarters: pooled spikes as bits, and convolutions of them event by event."""

from itertools import product

import pytest
import torch
from torch import Tensor

from bayesnn_spike.ops import RefusedError, explain, only
from bayesnn_spike.ops.pool import mean_pool2d
from bayesnn_spike.ops.synapse import conv2d, quarters
from tests.ops import cases
from tests.ops.conv_pairs import DRAWS, SHAPES, K, assert_near, run, tensors


def quartered(x: Tensor) -> Tensor:
    """The spikes of a case with values 1/4, 1/2, 3/4 and 1, all of which occur."""
    numbers = torch.arange(x.numel()).view(x.shape) % 4 + 1
    return x * numbers / 4


def test_every_value_has_its_bits() -> None:
    x = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]).repeat(8)[:34].view(1, 1, 1, 2, 17)
    words = quarters.pack_quarters(x).view(2 * 17, 3)
    found = (words * torch.tensor(quarters.PLANES)).sum(1)
    assert torch.equal(found.float(), x.flatten())


def test_channels_of_more_than_a_word() -> None:
    x = quartered(cases.spikes(2, 3, 70, 5, 4, rate=0.5))
    words = quarters.pack_quarters(x).view(2, 3, 20, 3, 2)
    for c in (0, 1, 63, 64, 69):
        bits = (words[..., c // 64] >> (c % 64)) & 1
        found = (bits * torch.tensor(quarters.PLANES)).sum(-1)
        assert torch.equal(found.float(), x[:, :, c].flatten(2))


@pytest.mark.parametrize(("value", "kind"), [(1.0, 2), (0.5, 1), (0.75, 1), (0.3, 0), (2.0, 0)])
@pytest.mark.parametrize("place", [0, 37, 1 << 16, (1 << 16) + 20])
def test_the_kind_is_that_of_the_worst_value(value: float, kind: int, place: int) -> None:
    x = torch.zeros((1 << 16) + 21)
    x[5] = 1.0
    assert quarters.kind(x) == 2
    x[place] = value
    assert quarters.kind(x) == kind
    assert quarters.kind(torch.zeros(0)) == 2
    assert quarters.kind(torch.full((3,), float("nan"))) == 0


@pytest.mark.parametrize(("of_x", "of_w"), list(product(DRAWS, DRAWS)))
def test_convolutions_of_quarters_with_and_without_draws(of_x, of_w) -> None:
    inputs = tensors(of_x, of_w, "absent")
    inputs[0] = quartered(inputs[0])
    expected = run(conv2d, "reference", inputs, dtype=torch.float64)
    assert_near(run(conv2d, "cpu", inputs), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_maps_and_kernels(shape) -> None:
    inputs = tensors(None, K, K, shape, rate=0.15)
    inputs[0] = quartered(inputs[0])
    expected = run(conv2d, "reference", inputs, shape, torch.float64)
    assert_near(run(conv2d, "cpu", inputs, shape), expected)


def test_pooled_spikes_take_this_way_and_other_numbers_do_not() -> None:
    spikes = cases.spikes(4, 3, 2, 9, 9, rate=0.02)
    pooled, weight = mean_pool2d(spikes, 2), cases.normal(64, 2, 3, 3, dtype=torch.float32)
    window = {"stride": 1, "padding": 1}
    assert explain(conv2d, pooled, weight, None, **window).startswith("conv2d/cpu: runs")
    third = mean_pool2d(spikes, 3)
    with only("cpu"), pytest.raises(RefusedError, match="or means of four such spikes"):
        conv2d(third, weight, padding=1)
