"""The bench of prediction: K networks drawn and run over a batch, from logits to probabilities.

Draws are part of the job, for the baselines by `torch.bernoulli` from probabilities that are there.
Oracle: tests/bench/test_forward.py.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from typing import final

import torch
from torch import Tensor, nn

from bayesnn_spike.bench.agreement import BF16, ROUNDED, SAME, Tolerance, mismatch
from bayesnn_spike.bench.baselines import (
    snntorch,
    spikingjelly,
    torch_batched,
    torch_fused_t,
    torch_loop,
)
from bayesnn_spike.bench.baselines.source import Drawn, Given, Source
from bayesnn_spike.bench.cases import Case
from bayesnn_spike.bench.group import Entry, Group
from bayesnn_spike.bench.layers import Layer
from bayesnn_spike.ops import only
from bayesnn_spike.ops.draw import draw_signs
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.predict import Committee, predict
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights

Sampled = Callable[[tuple[Layer, ...], torch.dtype], Callable[[Tensor, Source], Tensor]]

BASELINES: dict[str, tuple[Sampled, torch.dtype, Tolerance]] = {
    "torch-loop": (torch_loop.sampled, torch.float32, SAME),
    "torch-fused-t": (torch_fused_t.sampled, torch.float32, SAME),
    "torch-batched": (torch_batched.sampled, torch.float32, SAME),
    "torch-fused-t-bf16": (torch_fused_t.sampled, torch.bfloat16, BF16),
    "torch-batched-bf16": (torch_batched.sampled, torch.bfloat16, BF16),
    "snntorch": (snntorch.sampled, torch.float32, SAME),
    "spikingjelly": (spikingjelly.sampled, torch.float32, ROUNDED),
}
WHO = ("cpu", "triton", "reference", *BASELINES)
_STREAM = Stream(0).child("bench", "forward")


def groups(cases: Iterable[Case], device: str) -> Iterator[Group]:
    """Yield one job for every case and K."""
    for case in cases:
        for k in case.draws:
            yield Group(
                "forward",
                case.name,
                k,
                WHO,
                partial(_entry, _Job(case, k, device)),
                item="multiply-add",
                items=case.macs(k),
                macs=case.macs(k),
            )


@final
class _Job:
    def __init__(self, case: Case, draws: int, device: str) -> None:
        self.case, self.draws, self._device = case, draws, device
        self.checked = min(case.checked, draws)

    @cached_property
    def posterior(self) -> Bernoulli:
        logits = self.case.logits(_STREAM)
        return Bernoulli({name: values.to(self._device) for name, values in logits.items()})

    @cached_property
    def network(self) -> nn.Module:
        return self.case.network().to(self._device)

    @cached_property
    def spikes(self) -> Tensor:
        return self.case.spikes(_STREAM).to(self._device)

    @cached_property
    def weights(self) -> Weights:
        """The first draws as floats, by the reference."""
        with only("reference"):
            return {
                name: draw_signs(values, stream=_STREAM.child(name), draws=self.checked)
                for name, values in self.posterior.logits.items()
            }

    @cached_property
    def expected(self) -> Tensor:
        return self.by_reference(self.checked)

    def members(self, draws: int) -> Tensor:
        """Probabilities `[K, B, C]`."""
        how = Committee(draws)
        return predict(self.network, self.posterior, self.spikes, stream=_STREAM, how=how).members

    def by_reference(self, draws: int) -> Tensor:
        with only("reference"):
            return self.members(draws)


def _entry(job: _Job, who: str) -> Entry:
    if who in BASELINES:
        sampled, dtype, tolerance = BASELINES[who]
        run = sampled(job.case.layers, dtype)
        source = Drawn.of(job.posterior.logits, job.draws, _STREAM, dtype)
        return Entry(
            lambda: run(job.spikes, source),
            lambda: mismatch(run(job.spikes, Given(job.weights, dtype)), job.expected, tolerance),
            share=job.checked / job.draws,
        )
    if who == "reference":
        return Entry(
            lambda: job.by_reference(job.draws),
            lambda: mismatch(job.by_reference(job.checked), job.expected, SAME),
            share=job.checked / job.draws,
        )
    return Entry(
        lambda: job.members(job.draws),
        lambda: mismatch(job.members(job.draws)[: job.checked], job.expected, SAME),
    )
