"""ops/draw: the words of Philox4x32-10, the counter layout, and the same bits everywhere."""

import hashlib
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from bayesnn_spike.ops import RefusedError, draw, explain, only
from bayesnn_spike.ops.draw import draw_signs, logistic_noise, random_bits, reference
from bayesnn_spike.rng import Stream
from tests.ops import cases

NAMES = ("reference", "cpu")
ONES = 0xFFFFFFFF

# Random123, kat_vectors: philox4x32 10 (counter, key, result).
KNOWN_ANSWERS = {
    "zeros": ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    "ones": ((ONES,) * 4, (ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    "pi": (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
}


def wide_logits() -> Tensor:
    """Every regime of the threshold: zeros, denormals, each power of two, saturation, infinity."""
    tiny = torch.tensor([0.0, 1.4e-45, 1e-40, 1.1754944e-38, 1e-30, 1e-8])
    sweep = torch.linspace(-20, 20, 40_001)
    binades = torch.arange(0, 48) * (np.log(2) / 2)
    edges = torch.tensor([15.999999, 16.0, 16.000002, 40.0, 1e10, 3.4e38, torch.inf])
    values = torch.cat([tiny, binades.float(), binades.nextafter(torch.tensor(torch.inf)), edges])
    return torch.cat([values.float(), -values.float(), sweep])


def words(key: int, block: int, draw_index: int) -> list[int]:
    """Philox4x32-10 of one counter in Python's integers, after the paper."""
    c = [block & ONES, block >> 32, draw_index, 0]
    k = [key & ONES, key >> 32]
    for _ in range(10):
        p0, p1 = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & ONES, (p0 >> 32) ^ c[3] ^ k[1], p0 & ONES]
        k = [(k[0] + 0x9E3779B9) & ONES, (k[1] + 0xBB67AE85) & ONES]
    return c


@pytest.fixture(params=NAMES)
def implementation(request: pytest.FixtureRequest) -> Iterator[str]:
    with only(request.param):
        yield request.param


@pytest.mark.parametrize("case", KNOWN_ANSWERS)
def test_philox_gives_the_known_answers(case: str) -> None:
    counter, key, expected = KNOWN_ANSWERS[case]
    found = reference.philox(tuple(torch.tensor([c]) for c in counter), key)
    assert tuple(int(word) for word in found) == expected


def test_the_first_words_are_the_known_answer_of_zeros(implementation: str) -> None:
    found = random_bits((4,), stream=Stream(0))
    assert found.tolist() == [[word >> 1 for word in KNOWN_ANSWERS["zeros"][2]]]
    assert found.dtype == torch.int32


@pytest.mark.parametrize("first", [0, 5, 2**31 - 1, 2**32 - 3])
def test_the_counter_layout_is_the_documented_one(implementation: str, first: int) -> None:
    """Weight i of draw k: word i % 4 of counter (i // 4, k), key = the seed's two halves."""
    key = 0xFEDC_BA98_7654_3210
    found = random_bits((11,), stream=Stream(key), draws=3, first=first)
    expected = [[words(key, i // 4, first + k)[i % 4] >> 1 for i in range(11)] for k in range(3)]
    assert found.tolist() == expected


@pytest.mark.parametrize("count", [1, 3, 4, 5, 127, 128, 129, 1021])
def test_cpu_words_equal_the_reference(count: int) -> None:
    found = []
    for name in NAMES:
        with only(name):
            found.append(random_bits((count,), stream=Stream(9), draws=5, first=2))
    assert torch.equal(*found)


def test_cpu_signs_equal_the_reference_for_wide_logits() -> None:
    logits, found = wide_logits(), []
    for name in NAMES:
        with only(name):
            found.append(draw_signs(logits, stream=Stream(3), draws=8))
    assert torch.equal(*found)


def test_cpu_thresholds_equal_the_reference_for_wide_logits() -> None:
    """One ulp of a threshold would show in one sign of two billion: compare the integers."""
    from bayesnn_spike.ops.draw.limits import fill_limits

    logits = torch.cat([wide_logits(), cases.normal(100_003, dtype=torch.float32) * 4])
    logits = logits[: len(logits) // 32 * 32]
    found = np.empty(len(logits), np.int32)
    assert fill_limits(logits.numpy(), found, 0, len(logits) // 16)
    expected = reference.sign_threshold(logits).view(-1, 8, 2, 2).transpose(1, 2).reshape(-1)
    np.testing.assert_array_equal(found, expected.numpy())


def test_the_thresholds_are_pinned() -> None:
    """The order of operations is part of the definition: a change is a Numerics entry."""
    logits = torch.arange(-20_000, 20_001) / 1000
    found = reference.sign_threshold(logits)
    assert hashlib.sha256(found.numpy().astype("<i4").tobytes()).hexdigest() == (
        "87aeb3e9feaf06cae640fb0c35c609f53b9534f7e918fe39d994a8f6822cf4b1"
    )
    few = torch.tensor([0.0, 0.5, -0.5, 3.0, -8.0])
    assert reference.sign_threshold(few).tolist() == [
        1073741823,
        577547327,
        1569936319,
        5309917,
        2147483405,
    ]


@pytest.mark.parametrize("sizes", [(7,), (1, 6), (3, 4), (2, 2, 3), (0, 7)])
def test_chunks_of_draws_join_without_a_seam(implementation: str, sizes: tuple[int, ...]) -> None:
    logits, stream = cases.normal(5, 3), Stream(4)
    whole = draw_signs(logits, stream=stream, draws=7, first=10)
    firsts = np.cumsum((10, *sizes[:-1]))
    chunks = [
        draw_signs(logits, stream=stream, draws=k, first=int(first))
        for first, k in zip(firsts, sizes, strict=True)
    ]
    assert torch.equal(torch.cat(chunks), whole)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_signs_come_in_the_dtype_of_the_logits(implementation: str, dtype: torch.dtype) -> None:
    logits = torch.tensor([[0.5, -0.25], [4.0, 0.0]])
    found = draw_signs(logits.to(dtype), stream=Stream(1), draws=50)
    assert found.dtype == dtype
    assert found.shape == (50, 2, 2)
    assert torch.equal(found.float(), draw_signs(logits, stream=Stream(1), draws=50))


def test_scalars_and_empty_parameters_are_parameters_too(implementation: str) -> None:
    assert draw_signs(torch.zeros(()), stream=Stream(1), draws=3).shape == (3,)
    assert draw_signs(torch.zeros(0, 4), stream=Stream(1), draws=3).shape == (3, 0, 4)
    assert draw_signs(torch.zeros(2, 2), stream=Stream(1), draws=0).shape == (0, 2, 2)


def test_infinite_logits_are_certain(implementation: str) -> None:
    logits = torch.tensor([torch.inf, -torch.inf, 30.0, -30.0]).repeat(2500)
    found = draw_signs(logits, stream=Stream(5), draws=10)
    assert torch.equal(found, logits.sign().expand(10, -1))


def test_zero_is_even_whatever_its_sign(implementation: str) -> None:
    plus = draw_signs(torch.zeros(4096), stream=Stream(2))
    minus = draw_signs(-torch.zeros(4096), stream=Stream(2))
    bits = random_bits((4096,), stream=Stream(2))
    assert torch.equal(plus, minus)
    assert torch.equal(plus, torch.where(bits < 2**30, -1.0, 1.0))


@pytest.mark.parametrize("position", [0, 6, 1000])
def test_nan_is_refused(implementation: str, position: int) -> None:
    logits = torch.zeros(1001)
    logits[position] = torch.nan
    with pytest.raises(ValueError, match="logits hold NaN"):
        draw_signs(logits, stream=Stream(0))


@pytest.mark.parametrize(("draws", "first"), [(-1, 0), (1, -1), (1, 2**32), (2, 2**32 - 1)])
def test_draws_beyond_the_counter_are_refused(draws: int, first: int) -> None:
    with pytest.raises(ValueError, match=r"one Philox counter word"):
        draw_signs(torch.zeros(2), stream=Stream(0), draws=draws, first=first)
    with pytest.raises(ValueError, match=r"one Philox counter word"):
        random_bits((2,), stream=Stream(0), draws=draws, first=first)


def test_logits_keep_their_layout(implementation: str) -> None:
    """The index of a weight is row-major in its shape, whatever the strides are."""
    logits = cases.normal(6, 5)
    turned = logits.T.contiguous().T
    assert not turned.is_contiguous()
    assert torch.equal(draw_signs(turned, stream=Stream(1)), draw_signs(logits, stream=Stream(1)))


def test_no_gradient_flows_through_a_draw(implementation: str) -> None:
    logits = torch.zeros(3, requires_grad=True)
    assert not draw_signs(logits, stream=Stream(1)).requires_grad


def test_the_cpu_refuses_other_devices() -> None:
    with only("cpu"), pytest.raises(RefusedError, match="needs tensors on the cpu, got meta"):
        draw_signs(torch.zeros(2, device="meta"), stream=Stream(0))
    text = explain(draw._BITS, (2,), key=(0, 0), draws=1, first=0, device="meta")
    assert "random_bits/cpu: refuses, needs tensors on the cpu, got meta" in text


def test_noise_is_finite_at_both_ends_and_odd() -> None:
    bits = torch.tensor([0, 2**30 - 1, 2**30, 2**31 - 1], dtype=torch.int32)
    noise = logistic_noise(bits, torch.float64)
    edge = 0.5 * np.log(0.5 / (2**31 - 0.5))
    inner = 0.5 * np.log((2**30 - 0.5) / (2**30 + 0.5))
    expected = torch.tensor([edge, inner, -inner, -edge], dtype=torch.float64)
    torch.testing.assert_close(noise, expected, rtol=1e-7, atol=0)
    assert logistic_noise(bits).dtype == torch.float32
