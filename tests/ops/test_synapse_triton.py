"""ops/synapse/triton and product: exact sums for any width, window and order of the signs."""

from functools import partial

import pytest
import torch
from torch import Tensor

from bayesnn_spike.ops import only
from bayesnn_spike.ops.draw.signs import Drawn, Packed
from bayesnn_spike.ops.spikes import PackedSpikes
from bayesnn_spike.ops.synapse import signed_conv2d, signed_linear
from bayesnn_spike.ops.synapse.product import Geometry, Tile, operands
from bayesnn_spike.ops.synapse.triton import pack
from bayesnn_spike.rng import Stream
from tests.ops import cases
from tests.ops.gpu import DEVICE, assert_same_bits

# K, T, B, N, M. Rows that start inside a Philox block, several tiles, one of everything, signs that
# fill 64-bit words in registers and signs that do not fit.
LINEAR = [
    (3, 2, 5, 37, 33),
    (2, 33, 4, 64, 140),
    (1, 1, 1, 1, 1),
    (2, 1, 2, 2312, 5),
    (1, 1, 2, 4200, 3),
]
# C, H, W, O, h, w, stride, padding.
CONV2D = [
    (2, 5, 6, 4, 3, 3, 2, 1),
    (5, 7, 6, 20, 2, 3, (1, 2), (0, 2)),
    (64, 3, 3, 3, 3, 2, 1, 1),
    (70, 2, 3, 5, 1, 1, 1, 1),
]


def assert_same_currents(call, x: Tensor, size: tuple, bias: Tensor, draws: int, drawn: bool):
    """Signs are drawn in the kernel, or were drawn before and are read."""
    logits = cases.normal(*size, dtype=torch.float32)
    before = Drawn(logits, Stream(5), draws, first=3).packed()
    if drawn:
        assert_same_bits(
            lambda x, logits, b: [call(x, Drawn(logits, Stream(5), draws, 3), b)], x, logits, bias
        )
    else:
        assert_same_bits(lambda x, w, b: [call(x, Packed(w, size), b)], x, before.words, bias)


@pytest.mark.parametrize("drawn", [True, False])
@pytest.mark.parametrize(("k", "t", "b", "n", "m"), LINEAR)
def test_linear_sums_are_the_reference_s(k, t, b, n, m, drawn: bool) -> None:
    """Spikes of all draws or of each, a bias of all draws or of each."""
    for lead, of_bias in (((), (k,)), ((k,), ())):
        x, bias = cases.spikes(*lead, t, b, n), cases.lattice(*of_bias, m)
        assert_same_currents(signed_linear, x, (m, n), bias, k, drawn)


@pytest.mark.parametrize("drawn", [True, False])
@pytest.mark.parametrize(("c", "h", "w", "o", "high", "wide", "stride", "padding"), CONV2D)
def test_conv2d_sums_are_the_reference_s(c, h, w, o, high, wide, stride, padding, drawn) -> None:
    call = partial(signed_conv2d, stride=stride, padding=padding)
    x = cases.spikes(*((2,) if drawn else ()), 2, 2, c, h, w)
    assert_same_currents(call, x, (o, c, high, wide), cases.lattice(o), 2, drawn)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.uint8, torch.bool])
@pytest.mark.parametrize("features", [(1,), (65,), (3, 2, 5), (70, 3, 1)], ids=str)
def test_spikes_are_packed_as_everywhere(features: tuple[int, ...], dtype: torch.dtype) -> None:
    x = cases.spikes(3, 2, *features).to(dtype)
    found = pack(x.to(DEVICE), len(features))
    assert torch.equal(found.words.cpu(), PackedSpikes.of(x, len(features)).words)
    assert found.features == features
    assert pack(found, len(features)) is found


def test_packed_spikes_give_the_same_as_numbers() -> None:
    x = cases.spikes(2, 3, 4, 2, 5, 5)
    assert_same_bits(
        lambda words, logits: [
            signed_conv2d(PackedSpikes(words, (2, 5, 5)), Drawn(logits, Stream(1), draws=2))
        ],
        PackedSpikes.of(x, 3).words,
        cases.normal(3, 2, 3, 3, dtype=torch.float32),
    )


def test_chunks_of_draws_join_without_a_seam() -> None:
    x = cases.spikes(2, 3, 37).to(DEVICE)
    signs = Drawn(cases.normal(5, 37, dtype=torch.float32).to(DEVICE), Stream(2), draws=3, first=7)
    with only("triton"):
        whole = signed_linear(x, signs)
        parts = [signed_linear(x, signs.narrow(first, n)) for first, n in ((0, 1), (1, 2))]
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize(
    ("inputs", "quads", "chunks", "held"),
    [(1, 16, 1, 32), (64, 16, 1, 32), (65, 32, 1, 32), (2048, 64, 8, 32), (2049, 64, 9, 64),
     (4096, 64, 16, 64), (4097, 64, 17, 0)],
)  # fmt: skip
def test_signs_are_held_while_they_fit(inputs: int, quads: int, chunks: int, held: int) -> None:
    words = torch.zeros(1, 1, -(-inputs // 64), dtype=torch.int64)
    signs = Drawn(torch.zeros(2, inputs), Stream(1), draws=1).packed()
    taken = operands(PackedSpikes(words, (inputs,)), signs, None, Geometry(inputs), 16, 16)
    assert taken["TILE"] == Tile(16, 16, quads, chunks, held, drawn=False)


@pytest.mark.parametrize(
    ("geometry", "per", "halves", "group"),
    [
        (Geometry(37), 10, 2, 8),
        (Geometry(65), 17, 4, 8),
        (Geometry(2, 5, 5, 3, 3), 1, 2, 1),
        (Geometry(96, 5, 5, 3, 3), 24, 4, 8),
        (Geometry(70, 5, 5, 3, 3), 18, 4, 1),
    ],
)
def test_half_words_are_read_whole_where_they_belong_to_one_place(
    geometry: Geometry, per: int, halves: int, group: int
) -> None:
    """96 channels are 24 quads, 8 in each of three half words; of 70 the third holds two."""
    assert (geometry.per, geometry.halves, geometry.group) == (per, halves, group)
