"""Fixtures for the tests of the operations."""

import pytest
import torch
from torch import Tensor


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors that nobody filled are NaN."""

    def empty(*shape: object, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.full(shape[0] if len(shape) == 1 else shape, torch.nan, dtype=dtype)

    monkeypatch.setattr(torch, "empty", empty)
    assert bool(torch.empty((2, 3)).isnan().all())


@pytest.fixture
def three_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three threads, and work of any size is worth one."""
    from bayesnn_spike.ops import _lanes, _threads

    monkeypatch.setattr(_threads, "threads", lambda: 3)
    monkeypatch.setattr(_lanes, "LEAST", 1)
