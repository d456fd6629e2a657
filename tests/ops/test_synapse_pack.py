"""ops/synapse/pack: numbers become words, and what is no spike is found."""

from collections.abc import Iterator

import pytest
import torch

from bayesnn_spike.ops.spikes import PackedSpikes
from bayesnn_spike.ops.synapse.pack import pack_spikes
from tests.ops import cases, packed


@pytest.fixture
def threads() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


@pytest.mark.parametrize("count", packed.COUNTS)
@pytest.mark.parametrize("lead", [(1, 1), (2, 3), (3, 0), (2, 63, 3)])
def test_vectors_are_packed_as_by_numpy(count: int, lead: tuple[int, ...]) -> None:
    x = cases.spikes(*lead, count, rate=0.4)
    found = pack_spikes(x, 1)
    assert torch.equal(found.words, packed.pack_tensor(x))
    assert found.features == (count,)


@pytest.mark.parametrize("channels", [1, 3, 64, 65, 130])
def test_maps_are_packed_along_channels(channels: int) -> None:
    x = cases.spikes(2, 3, channels, 4, 5, rate=0.4)
    found = pack_spikes(x, 3)
    assert torch.equal(found.words, packed.pack_tensor(x.movedim(-3, -1).contiguous()))
    assert found.features == (channels, 4, 5)
    assert pack_spikes(x[:, :0], 3).shape == (2, 0, channels, 4, 5)


@pytest.mark.parametrize(
    "dtype", [torch.uint8, torch.bool, torch.int64, torch.float16, torch.float64]
)
def test_spikes_of_any_dtype_are_spikes(dtype: torch.dtype) -> None:
    x = cases.spikes(2, 3, 70)
    assert torch.equal(pack_spikes(x.to(dtype), 1).words, packed.pack_tensor(x))


def test_packed_spikes_are_left_alone() -> None:
    spikes = PackedSpikes.of(cases.spikes(2, 3, 70), 1)
    assert pack_spikes(spikes, 1) is spikes


@pytest.mark.parametrize("value", [2.0, -1.0, 0.5, 1e-40, torch.nan, torch.inf])
@pytest.mark.parametrize("place", [(0, 0, 0), (1, 2, 63), (1, 2, 64), (1, 2, 69)])
def test_one_value_that_is_no_spike_is_found(value: float, place: tuple[int, ...]) -> None:
    x = cases.spikes(2, 3, 70)
    x[place] = value
    assert pack_spikes(x, 1) is None


def test_counts_are_no_spikes() -> None:
    assert pack_spikes(torch.full((2, 3, 5), 255, dtype=torch.uint8), 1) is None


def test_strides_and_expansions_do_not_matter() -> None:
    x = cases.spikes(2, 70, 3).transpose(1, 2)
    assert not x.is_contiguous()
    assert torch.equal(pack_spikes(x, 1).words, packed.pack_tensor(x.contiguous()))
    one = cases.spikes(1, 3, 70).expand(4, 3, 70)
    assert torch.equal(pack_spikes(one, 1).words, packed.pack_tensor(one.contiguous()))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_threads_change_no_bit_and_miss_no_value(count: int, threads: None) -> None:
    torch.set_num_threads(count)
    x = cases.spikes(20, 30, 70)
    assert torch.equal(pack_spikes(x, 1).words, packed.pack_tensor(x))
    x[-1, -1, -1] = 2
    assert pack_spikes(x, 1) is None
