"""The bench of neurons: the first layer of neurons of a case, its currents there beforehand.

Every update reads a current and writes a spike, so the limit is the memory's rate. The engine has
K in front of time, the frameworks time in front of everything: each gets the layout it likes.
Oracle: tests/bench/test_fire.py.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from math import prod
from typing import final

import torch
from torch import Tensor

from bayesnn_spike.bench.agreement import EXACT, ROUNDED, mismatch
from bayesnn_spike.bench.baselines import snntorch, spikingjelly, torch_fused_t
from bayesnn_spike.bench.cases import Case
from bayesnn_spike.bench.group import Entry, Group
from bayesnn_spike.bench.layers import BETA, THRESHOLD, Neurons
from bayesnn_spike.ops import only
from bayesnn_spike.ops.fire import fire
from bayesnn_spike.ops.fire.surrogate import FastSigmoid
from bayesnn_spike.rng import Stream

WHO = ("cpu", "triton", "reference", "torch-loop", "snntorch", "spikingjelly")
_STREAM = Stream(0).child("bench", "fire")


def groups(cases: Iterable[Case], device: str) -> Iterator[Group]:
    """Yield one job a case."""
    for case in cases:
        job = _Job(case, device)
        updates = prod(job.shape)
        yield Group(
            "fire",
            case.name,
            case.alone,
            WHO,
            partial(_entry, job),
            item="update",
            items=updates,
            moved=8 * updates,
        )


@final
class _Job:
    def __init__(self, case: Case, device: str) -> None:
        layer = next(layer for layer in case.layers if isinstance(layer, Neurons))
        features = case.sizes()[layer.name]
        self.shape = (case.alone, case.steps, case.batch, *features)
        self.device = torch.device(device)

    @cached_property
    def current(self) -> Tensor:
        """`[K, T, B, *features]`, normal with a deviation of 0.6: some 15 % of updates fire."""
        generator = _STREAM.generator()
        return torch.randn(self.shape, generator=generator).mul_(0.6).to(self.device)

    @cached_property
    def time_first(self) -> Tensor:
        """The same, `[T, K, B, *features]`."""
        return self.current.transpose(0, 1).contiguous()

    @cached_property
    def expected(self) -> Tensor:
        with only("reference"):
            return self.spikes()

    @torch.inference_mode()
    def spikes(self) -> Tensor:
        options = {"beta": BETA, "v_threshold": THRESHOLD, "surrogate": FastSigmoid()}
        return fire(self.current, time_dim=1, **options)[0]


def _entry(job: _Job, who: str) -> Entry:
    build: dict[str, Callable[[], Callable[[Tensor], Tensor]]] = {
        "torch-loop": torch_fused_t.firing,
        "snntorch": partial(snntorch.firing, job.device),
        "spikingjelly": partial(spikingjelly.firing, job.device),
    }
    if who in build:
        firing, tolerance = build[who](), ROUNDED if who == "spikingjelly" else EXACT
        current = job.time_first
        return Entry(
            lambda: firing(current),
            lambda: mismatch(firing(current).transpose(0, 1), job.expected, tolerance),
        )
    if who == "reference":

        def reference() -> Tensor:
            with only("reference"):
                return job.spikes()

        return Entry(reference, lambda: mismatch(reference(), job.expected, EXACT))
    return Entry(job.spikes, lambda: mismatch(job.spikes(), job.expected, EXACT))
