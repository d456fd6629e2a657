"""ops/_memory: tensors like torch's, large ones in large pages where the system has them."""

import mmap

import pytest
import torch

from bayesnn_spike.ops import _memory


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """What the system is asked for."""
    found: list[tuple[int, int, int]] = []
    monkeypatch.setattr(_memory, "_madvise", lambda: lambda *args: found.append(args))
    return found


def test_a_large_tensor_asks_for_the_whole_pages_that_lie_in_it(asked) -> None:
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return
    found = _memory.empty(3, 1 << 20)
    ((start, size, what),) = asked
    page = 2 << 20
    assert found.shape == (3, 1 << 20)
    assert found.dtype == torch.float32
    assert start % page == size % page == 0
    assert found.data_ptr() <= start < found.data_ptr() + page
    assert found.data_ptr() + (12 << 20) - page < start + size <= found.data_ptr() + (12 << 20)
    assert what == mmap.MADV_HUGEPAGE


def test_a_small_one_and_an_empty_one_ask_for_nothing(asked) -> None:
    assert _memory.empty(_memory.LEAST // 4 - 1).shape == (_memory.LEAST // 4 - 1,)
    assert _memory.empty(0, 5).shape == (0, 5)
    assert _memory.empty().shape == ()
    assert asked == []


def test_a_tensor_is_float32_whatever_the_default_is() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        assert _memory.empty(3).dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("there", [True, False])
def test_the_memory_is_ordinary(there: bool, monkeypatch) -> None:
    if not there:
        monkeypatch.setattr(_memory, "_madvise", lambda: None)
    found = _memory.empty(5 << 20).fill_(2.0)
    assert float(found.sum()) == 2 * (5 << 20)


def test_other_systems_have_none(monkeypatch) -> None:
    monkeypatch.setattr(_memory.sys, "platform", "darwin")
    assert _memory._madvise.__wrapped__() is None
