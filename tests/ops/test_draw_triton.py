"""ops/draw/triton: the reference's words, thresholds and signs, from the kernels other ops use."""

import pytest
import torch
import triton
import triton.language as tl

from bayesnn_spike.ops import only
from bayesnn_spike.ops.draw import draw_signs, draw_words, random_bits, reference
from bayesnn_spike.ops.draw import triton as kernels
from bayesnn_spike.rng import Stream
from tests.ops import cases
from tests.ops.gpu import DEVICE, assert_same_bits

ONES = 0xFFFFFFFF
# Rows that start at a Philox block and rows that do not, weights without rows, a convolution.
SIZES = [(), (7,), (1, 64), (33, 37), (5, 65), (2, 6), (4, 2, 3, 3), (3, 0), (0, 3)]


@triton.jit
def _philox_kernel(blocks, draw, out, key0, key1, COUNT: tl.constexpr):
    i = tl.arange(0, COUNT)
    w0, w1, w2, w3 = kernels.philox(tl.load(blocks + i), tl.load(draw), key0, key1)
    tl.store(out + i, w0.to(tl.int64))
    tl.store(out + COUNT + i, w1.to(tl.int64))
    tl.store(out + 2 * COUNT + i, w2.to(tl.int64))
    tl.store(out + 3 * COUNT + i, w3.to(tl.int64))


@pytest.mark.parametrize("draw", [0, 5, ONES])
@pytest.mark.parametrize("key", [(0, 0), (1, ONES), (0xFEDCBA98, 0x76543210)])
def test_philox_counts_blocks_in_64_bits(key: tuple[int, int], draw: int) -> None:
    """Blocks at and beyond 2^32 reach the second word of the counter."""
    blocks = torch.tensor([0, 1, ONES, 1 << 32, (1 << 32) + 1, (5 << 40) + 3, 1 << 61, 77])
    out = torch.empty(4, 8, dtype=torch.int64, device=DEVICE)
    which = torch.tensor([draw], device=DEVICE)
    signed = [kernels.signed(word) for word in key]
    _philox_kernel[(1,)](blocks.to(DEVICE), which, out, *signed, COUNT=8)
    c2 = torch.full_like(blocks, draw)
    counter = (blocks & ONES, blocks >> 32, c2, torch.zeros_like(c2))
    assert torch.equal(out.cpu(), torch.stack(reference.philox(counter, key)))


def assert_same_draws(size: tuple[int, ...], draws: int, first: int) -> None:
    options = {"stream": Stream(0xFEDC_BA98_7654_3210), "draws": draws, "first": first}

    def call(logits: torch.Tensor) -> list[torch.Tensor]:
        return [
            random_bits(size, device=logits.device, **options),
            draw_signs(logits, **options),
            draw_words(logits, **options),
        ]

    assert_same_bits(call, cases.normal(*size, dtype=torch.float32) * 2)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_words_signs_and_packed_words_are_the_reference_s(size: tuple[int, ...]) -> None:
    assert_same_draws(size, 1, 1)


@pytest.mark.parametrize(("draws", "first"), [(3, 0), (2, 2**32 - 2), (2, 2**31 - 1), (0, 4)])
def test_any_draws_are_the_reference_s(draws: int, first: int) -> None:
    assert_same_draws((2, 5), draws, first)


def test_thresholds_are_the_reference_s_integers() -> None:
    """Every regime: zeros, denormals, every power of two of exp, saturation, infinity."""
    tiny = torch.tensor([0.0, -0.0, 1.4e-45, 1e-40, 1.1754944e-38, 1e-30, 1e-8])
    binades = (torch.arange(0, 48) * 0.34657359).float()
    edges = torch.tensor([15.999999, 16.0, 16.000002, 40.0, 1e10, 3.4e38, torch.inf])
    some = cases.normal(5_001, dtype=torch.float32) * 4
    values = torch.cat([tiny, binades, binades.nextafter(torch.tensor(torch.inf)), edges, some])
    logits = torch.cat([values, -values])
    limits = kernels.sign_limits(logits.to(DEVICE), 1, len(logits)).cpu()
    assert limits.shape == (4, -(-len(logits) // 4), 1)
    found = limits[..., 0].T.reshape(-1)
    assert torch.equal(found[: len(logits)], reference.sign_threshold(logits))
    assert found[len(logits) :].tolist() == [2**31 - 1] * (-len(logits) % 4)


def test_thresholds_of_a_window_lie_channel_by_channel() -> None:
    """Plane l, quad (place, q), row m holds channel 4 q + l at that place; the rest is never +1."""
    logits = cases.normal(3, 6, 5, dtype=torch.float32)
    limits = kernels.sign_limits(logits.to(DEVICE), 3, 6, window=5).cpu()
    expected = torch.full((3, 8, 5), 2**31 - 1, dtype=torch.int32)
    expected[:, :6] = reference.sign_threshold(logits)
    placed = expected.unflatten(1, (2, 4)).permute(2, 3, 1, 0).reshape(4, 10, 3)
    assert torch.equal(limits, placed)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_signs_keep_the_type_of_the_logits(dtype: torch.dtype) -> None:
    assert_same_bits(
        lambda logits: [draw_signs(logits, stream=Stream(2), draws=2)],
        cases.normal(5, 3).to(dtype),
    )


def test_chunks_of_draws_join_without_a_seam() -> None:
    logits = cases.normal(5, 37, dtype=torch.float32).to(DEVICE)
    with only("triton"):
        whole = draw_signs(logits, stream=Stream(2), draws=5, first=3)
        parts = [
            draw_signs(logits, stream=Stream(2), draws=n, first=f) for n, f in ((2, 3), (3, 5))
        ]
    assert torch.equal(torch.cat(parts), whole)


def test_logits_that_are_no_numbers_are_refused() -> None:
    logits = torch.tensor([0.0, torch.nan], device=DEVICE)
    for call in (draw_signs, draw_words):
        with only("triton"), pytest.raises(ValueError, match="logits hold NaN"):
            call(logits, stream=Stream(2))
