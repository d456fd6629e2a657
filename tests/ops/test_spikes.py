"""ops/spikes: spikes as bits, channels last, and what the kernels for the CPU refuse."""

import importlib.util

import pytest
import torch

from bayesnn_spike.ops.draw.signs import Packed
from bayesnn_spike.ops.spikes import PackedSpikes, as_numbers, cpu_refuses, is_binary
from bayesnn_spike.ops.synapse import signed_linear
from tests.ops import cases, packed


@pytest.mark.parametrize("count", packed.COUNTS)
@pytest.mark.parametrize("lead", [(), (2, 3), (4, 2, 3), (2, 0)])
def test_a_vector_is_packed_along_its_features(count: int, lead: tuple[int, ...]) -> None:
    x = cases.spikes(*lead, count, rate=0.4)
    spikes = PackedSpikes.of(x, 1)
    assert torch.equal(spikes.words, packed.pack_tensor(x))
    assert (spikes.features, spikes.lead, spikes.shape) == ((count,), lead, (*lead, count))
    assert torch.equal(spikes.dense(), x)


@pytest.mark.parametrize("channels", [1, 2, 63, 64, 65, 130])
@pytest.mark.parametrize("lead", [(2, 3), (0, 2), (2, 2, 3)])
def test_a_map_is_packed_along_its_channels(channels: int, lead: tuple[int, ...]) -> None:
    x = cases.spikes(*lead, channels, 3, 2, rate=0.4)
    spikes = PackedSpikes.of(x, 3)
    assert spikes.words.shape == (*lead, 3, 2, -(-channels // 64))
    assert torch.equal(spikes.words, packed.pack_tensor(x.movedim(-3, -1).contiguous()))
    assert (spikes.features, spikes.lead) == ((channels, 3, 2), lead)
    assert spikes.shape == tuple(x.shape)
    assert torch.equal(spikes.dense(), x)


@pytest.mark.parametrize("dtype", [torch.float64, torch.uint8, torch.bool])
def test_numbers_come_back_in_any_dtype(dtype: torch.dtype) -> None:
    x = cases.spikes(2, 3, 70)
    found = PackedSpikes.of(x.to(dtype), 1).dense(dtype)
    assert found.dtype == dtype
    assert torch.equal(found, x.to(dtype))


def test_either_form_becomes_float32() -> None:
    x = cases.spikes(2, 3, 70)
    for spikes in (x, x.bool(), PackedSpikes.of(x, 1)):
        found = as_numbers(spikes)
        assert found.dtype == torch.float32
        assert torch.equal(found, x.float())


def test_anything_but_zero_is_a_spike() -> None:
    x = torch.tensor([[0.0, 0.5, -1.0, torch.nan, -0.0, 3.0]])
    assert PackedSpikes.of(x, 1).dense().tolist() == [[0, 1, 1, 1, 0, 1]]


@pytest.mark.parametrize(
    ("shape", "features", "message"),
    [
        ((2, 3, 2), (64,), r"features \(64,\) must have shape \(2, 3, 1\), got \(2, 3, 2\)"),
        ((2, 3, 1), (65,), r"features \(65,\) must have shape \(2, 3, 2\)"),
        ((2, 4, 5, 1), (3, 5, 4), r"features \(3, 5, 4\) must have shape \(2, 5, 4, 1\)"),
    ],
)
def test_words_that_do_not_fit_are_refused(shape, features, message) -> None:
    with pytest.raises(ValueError, match=message):
        PackedSpikes(torch.zeros(shape, dtype=torch.int64), features)


@pytest.mark.parametrize("value", [2.0, -1.0, 0.5, 1e-40, torch.nan, torch.inf])
def test_one_other_value_is_not_binary(value: float) -> None:
    x = cases.spikes(3, 50)
    assert is_binary(x)
    x[2, 49] = value
    assert not is_binary(x)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float64])
def test_binary_is_a_matter_of_values(dtype: torch.dtype) -> None:
    assert is_binary(torch.tensor([0, 1, 1], dtype=dtype))
    assert is_binary(torch.zeros(0, dtype=dtype))


def test_refusals_are_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    x, w = cases.spikes(2, 3, 4), Packed.of(cases.signs(2, 5, 4))
    assert cpu_refuses(x, w) == []
    assert cpu_refuses(PackedSpikes.of(x, 1), w) == []
    assert cpu_refuses(x + 1, w) == ["needs spikes of 0 and 1"]
    assert cpu_refuses(x.to("meta"), w) == ["needs tensors on the cpu, got meta"]
    elsewhere = Packed(w.words.to("meta"), w.size)
    assert cpu_refuses(x, elsewhere) == ["needs tensors on the cpu, got meta"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert cpu_refuses(x + 1, w) == ["numba is not installed", "needs spikes of 0 and 1"]
    assert cpu_refuses(PackedSpikes.of(x, 1), w) == ["numba is not installed"]


@pytest.mark.parametrize("wanting", ["spikes", "bias"])
def test_what_wants_a_gradient_gets_it_from_the_reference(wanting: str) -> None:
    x, w = cases.spikes(2, 3, 4), Packed.of(cases.signs(2, 5, 4))
    bias = torch.zeros(5)
    {"spikes": x, "bias": bias}[wanting].requires_grad_()
    assert cpu_refuses(x, w, bias) == ["gives no gradients"]
    assert signed_linear(x, w, bias).requires_grad
    with torch.no_grad():
        assert cpu_refuses(x, w, bias) == []
