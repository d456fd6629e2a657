"""ops/_lanes: time at any axis, blocks that cover every neuron once, and refusals."""

import importlib.util

import pytest
import torch

from bayesnn_spike.ops import _lanes
from bayesnn_spike.ops._lanes import (
    BLOCK,
    cpu_refuses,
    for_blocks,
    require_steps,
    split,
    step_shape,
)


@pytest.mark.parametrize(
    ("time_dim", "lanes", "step"),
    [
        (0, (1, 2, 60), (3, 4, 5)),
        (1, (2, 3, 20), (2, 4, 5)),
        (-1, (24, 5, 1), (2, 3, 4)),
        (-3, (2, 3, 20), (2, 4, 5)),
    ],
)
def test_time_may_be_any_axis(time_dim: int, lanes: tuple, step: tuple) -> None:
    x = torch.zeros(2, 3, 4, 5)
    assert split(x, time_dim) == lanes
    assert step_shape(x, time_dim) == step


def test_one_axis_is_one_neuron() -> None:
    assert split(torch.zeros(7), 0) == (1, 7, 1)
    assert step_shape(torch.zeros(7), -1) == ()


def covered(shape: tuple[int, int, int]) -> tuple[list[int], int]:
    """How often each neuron is in a block that was run, and the number of calls."""
    lead, _, rest = shape
    blocks, counts, calls = -(-rest // BLOCK), torch.zeros(lead, rest), []

    def run(block: int, start: int, stop: int) -> None:
        calls.append(block)
        for unit in range(start, stop):
            first = unit % blocks * block
            counts[unit // blocks, first : first + block] += 1

    for_blocks(run, shape)
    assert set(calls) <= {BLOCK}
    return counts.unique().tolist(), len(calls)


@pytest.mark.parametrize("rest", [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
@pytest.mark.parametrize("lead", [1, 3])
def test_blocks_cover_every_neuron_once(lead: int, rest: int, three_threads: None) -> None:
    counts, calls = covered((lead, 2, rest))
    assert counts == [1]
    assert calls <= lead * -(-rest // BLOCK)


def test_little_work_stays_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    from bayesnn_spike.ops import _threads

    monkeypatch.setattr(_threads, "threads", lambda: 3)
    assert covered((1, 2, 4 * BLOCK)) == ([1], 1)
    steps = _lanes.LEAST // BLOCK
    assert covered((1, steps, 4 * BLOCK)) == ([1], 4)


@pytest.mark.parametrize("shape", [(0, 3, 5), (2, 3, 0)])
def test_nothing_to_do_is_done(shape: tuple, three_threads: None) -> None:
    assert covered(shape) == ([], 0)


def test_an_axis_of_time_needs_a_step() -> None:
    require_steps(torch.zeros(2, 1), 1, "it")
    require_steps(torch.zeros(0, 1), -1, "it")
    message = r"the current has no time step: its shape \(2, 0, 3\) is empty at time_dim 1"
    with pytest.raises(ValueError, match=message):
        require_steps(torch.zeros(2, 0, 3), 1, "the current")
    for time_dim in (2, -3):
        message = rf"it of shape \(2, 3\) has no axis {time_dim} .* in \[-2, 1\]"
        with pytest.raises(ValueError, match=message):
            require_steps(torch.zeros(2, 3), time_dim, "it")


def test_a_refusal_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cpu_refuses(torch.zeros(2)) == []
    assert cpu_refuses(torch.zeros(2).double()) == ["works in float32, got torch.float64"]
    assert cpu_refuses(torch.zeros(2, device="meta")) == ["needs tensors on the cpu, got meta"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert cpu_refuses(torch.zeros(2)) == ["numba is not installed"]
