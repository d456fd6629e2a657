"""ops/bits: the packing of bits into words, against numpy's."""

import numpy as np
import pytest
import torch

from bayesnn_spike.ops.bits import pack_bits, unpack_bits, words_for
from tests.ops import cases, packed


@pytest.mark.parametrize(
    ("count", "words"), [(0, 0), (1, 1), (63, 1), (64, 1), (65, 2), (128, 2), (129, 3)]
)
def test_words_hold_sixty_four_bits(count: int, words: int) -> None:
    assert words_for(count) == words


@pytest.mark.parametrize("count", [*packed.COUNTS, 128, 129])
@pytest.mark.parametrize("lead", [(), (1,), (3, 2), (0, 2)])
def test_packing_equals_numpy_and_comes_back(count: int, lead: tuple[int, ...]) -> None:
    bits = cases.spikes(*lead, count, rate=0.5).bool()
    words = pack_bits(bits)
    assert words.dtype == torch.int64
    np.testing.assert_array_equal(words.numpy().view(np.uint64), packed.pack(bits.numpy()))
    assert torch.equal(unpack_bits(words, count), bits)


def test_each_bit_has_its_place() -> None:
    """Element j alone is 2^j; the last is the sign of the int64."""
    words = pack_bits(torch.eye(64, dtype=torch.bool))
    assert words[:, 0].tolist() == [*(1 << j for j in range(63)), -(1 << 63)]


def test_bits_past_the_end_are_zero() -> None:
    assert pack_bits(torch.ones(2, 65, dtype=torch.bool)).tolist() == [[-1, 1]] * 2


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32])
def test_ones_of_any_dtype_are_bits(dtype: torch.dtype) -> None:
    bits = cases.spikes(3, 70, rate=0.5)
    assert torch.equal(pack_bits(bits.to(dtype)), pack_bits(bits.bool()))


def test_strides_do_not_matter() -> None:
    bits = cases.spikes(70, 5, rate=0.5).bool().T
    assert not bits.is_contiguous()
    assert torch.equal(pack_bits(bits), pack_bits(bits.contiguous()))
    words = pack_bits(bits).T.contiguous().T
    assert torch.equal(unpack_bits(words, 70), bits)


@pytest.mark.parametrize("count", [0, 64, 129])
def test_words_of_another_length_are_refused(count: int) -> None:
    message = rf"{count} bits need {words_for(count)} words of 64, got shape \(3, 2\)"
    with pytest.raises(ValueError, match=message):
        unpack_bits(torch.zeros(3, 2, dtype=torch.int64), count)
