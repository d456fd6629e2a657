"""ops/sampled/triton: one kernel for draw, sum and neuron gives the reference's bits."""

from typing import Any

import pytest
import torch
from torch import Tensor

from bayesnn_spike.ops import only
from bayesnn_spike.ops.draw.signs import Drawn, Packed, Signs
from bayesnn_spike.ops.fire.surrogate import Above, AtOrAbove, Subtract, ToValue
from bayesnn_spike.ops.sampled import sampled_conv2d, sampled_linear
from bayesnn_spike.ops.sampled.triton import steps_together
from bayesnn_spike.ops.spikes import PackedSpikes
from bayesnn_spike.rng import Stream
from tests.ops import cases
from tests.ops.gpu import DEVICE, assert_same_bits

SOFT = {"beta": 0.9, "v_threshold": 1.1, "reset": Subtract(), "comparison": AtOrAbove()}
HARD = {"beta": 0.5, "v_threshold": 1.0, "reset": ToValue(-0.25), "comparison": Above()}


def bits(spikes: PackedSpikes, last: Tensor) -> list[Tensor]:
    return [spikes.words, torch.tensor(spikes.features), last]


def signs_of(source: Tensor, size: tuple[int, ...], draws: int) -> Signs:
    """Words were drawn before; logits are drawn in the kernel."""
    if source.dtype == torch.int64:
        return Packed(source, size)
    return Drawn(source, Stream(5), draws, first=3)


def source(size: tuple[int, ...], draws: int, *, drawn: bool) -> Tensor:
    logits = cases.normal(*size, dtype=torch.float32)
    return logits if drawn else Drawn(logits, Stream(5), draws, first=3).packed().words


# K, T, B, N, M: 4, 2 and 1 steps a tile, a last tile that reaches beyond T, outputs over a word.
LINEAR = [(2, 6, 5, 37, 33), (1, 3, 40, 12, 70), (1, 2, 130, 8, 3), (1, 1, 1, 1, 1)]


@pytest.mark.parametrize("drawn", [True, False])
@pytest.mark.parametrize("neuron", [SOFT, HARD], ids=["soft", "hard"])
@pytest.mark.parametrize(("k", "t", "b", "n", "m"), LINEAR)
def test_a_layer_fires_as_the_reference_does(k, t, b, n, m, neuron, drawn: bool) -> None:
    """From rest or not, with a scale of all outputs or of each, with and without a bias."""
    options: dict[str, Any] = neuron | {"scale": 0.3}
    x = cases.spikes(*(() if drawn else (k,)), t, b, n)

    def call(x: Tensor, s: Tensor, *more: Tensor) -> list[Tensor]:
        bias, state, scale = more if more else (None, None, 0.3)
        options["scale"] = scale
        return bits(*sampled_linear(x, signs_of(s, (m, n), k), bias, state, **options))

    more: list[Tensor] = []
    if drawn:
        more = [cases.lattice(k, m), cases.normal(k, b, m).float(), cases.lattice(m).abs() / 4]
    assert_same_bits(call, x, source((m, n), k, drawn=drawn), *more)


# C, H, W, O, h, w, stride, padding.
CONV2D = [
    (2, 5, 6, 4, 3, 3, 2, 1),
    (5, 7, 6, 3, 2, 3, (1, 2), (0, 2)),
    (32, 3, 3, 66, 2, 2, 1, 0),
]


@pytest.mark.parametrize("drawn", [True, False])
@pytest.mark.parametrize(("c", "h", "w", "o", "high", "wide", "stride", "padding"), CONV2D)
def test_a_convolution_fires_as_the_reference_does(
    c, h, w, o, high, wide, stride, padding, drawn
) -> None:
    x = cases.spikes(*(() if drawn else (2,)), 3, 2, c, h, w)
    options = (SOFT if drawn else HARD) | {"stride": stride, "padding": padding, "scale": 0.5}

    def call(x: Tensor, s: Tensor, bias: Tensor) -> list[Tensor]:
        signs = signs_of(s, (o, c, high, wide), 2)
        spikes, last = sampled_conv2d(x, signs, bias, **options)
        again, ended = sampled_conv2d(spikes_again(x), signs, bias, last, **options)
        return bits(spikes, last) + bits(again, ended)

    def spikes_again(x: Tensor) -> PackedSpikes:
        return PackedSpikes.of(x.flip(0), 3)

    assert_same_bits(call, x, source((o, c, high, wide), 2, drawn=drawn), cases.lattice(o))


def test_time_in_two_pieces_is_time_in_one() -> None:
    x = cases.spikes(7, 3, 20).to(DEVICE)
    signs = Drawn(cases.normal(5, 20).float().to(DEVICE), Stream(2), draws=2)
    with only("triton"):
        whole, last = sampled_linear(x, signs, **SOFT)
        one, carried = sampled_linear(x[:3], signs, **SOFT)
        two, ended = sampled_linear(x[3:], signs, None, carried, **SOFT)
    assert torch.equal(torch.cat([one.words, two.words], 1), whole.words)
    assert torch.equal(ended, last)


@pytest.mark.parametrize(
    ("columns", "steps", "expected"),
    [(1, 1, (16, 1)), (1, 2, (16, 2)), (5, 100, (16, 4)), (32, 25, (32, 4)), (64, 25, (64, 2)),
     (64, 1, (64, 1)), (65, 25, (128, 1)), (5000, 25, (128, 1))],
)  # fmt: skip
def test_a_tile_takes_several_steps_where_one_has_few_columns(
    columns: int, steps: int, expected: tuple[int, int]
) -> None:
    assert steps_together(columns, steps) == expected
