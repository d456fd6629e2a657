"""Known allocations are found again, and what was there before is not counted.

The kernel counts pages of a thread in batches: a mark may be some hundred KiB off.
"""

from pathlib import Path

import numpy as np
import pytest

from bayesnn_spike.bench import memory
from bayesnn_spike.bench.memory import peak_bytes

MIB = 2**20


def test_what_a_call_allocates_is_its_peak() -> None:
    found = peak_bytes(lambda: np.ones(64 * MIB, np.uint8))
    assert 63 * MIB <= found < 72 * MIB


def test_scratch_counts_at_its_largest() -> None:
    def call() -> int:
        total = int(np.ones(48 * MIB, np.uint8)[0])
        return total + int(np.ones(32 * MIB, np.uint8)[0])

    assert 47 * MIB <= peak_bytes(call) < 56 * MIB


def test_what_lies_there_before_does_not_count() -> None:
    held = []

    def call() -> None:
        if not held:
            held.append(np.ones(64 * MIB, np.uint8))

    np.ones(128 * MIB, np.uint8)  # freed again: an old peak is forgotten
    assert peak_bytes(call) < 8 * MIB


def test_without_proc_the_first_run_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(memory, "_PROC", tmp_path / "missing")
    monkeypatch.setattr(memory, "_maximum", lambda: 100 + 7 * len(calls))
    assert peak_bytes(lambda: calls.append(1)) == 7


def test_the_systems_maximum_is_in_bytes() -> None:
    assert 20 * MIB < memory._maximum() < 2**40
