"""The bench of synapses: one layer of a case, its signs and spikes packed beforehand.

The layer is the one with the most multiply-adds. Its input spikes at the case's density; for a
first layer all draws share it. Oracle: tests/bench/test_synapse.py.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor

from bayesnn_spike.bench.agreement import EXACT, Tolerance, mismatch
from bayesnn_spike.bench.baselines.source import laid_out
from bayesnn_spike.bench.cases import Case
from bayesnn_spike.bench.group import Entry, Group
from bayesnn_spike.bench.layers import Conv, Dense
from bayesnn_spike.ops import only
from bayesnn_spike.ops.draw.signs import Packed
from bayesnn_spike.ops.spikes import PackedSpikes
from bayesnn_spike.ops.synapse.signed import signed_conv2d, signed_linear
from bayesnn_spike.rng import Stream

WHO = ("cpu", "triton", "reference", "torch-gemm", "torch-gemm-bf16")
SUMS_BF16 = Tolerance(4.0, 0.1)
"""Sums beyond 256 are rounded to 8 significant bits."""
_STREAM = Stream(0).child("bench", "synapse")


def groups(cases: Iterable[Case], device: str) -> Iterator[Group]:
    """Yield one job a case."""
    for case in cases:
        job = _Job(case, device)
        yield Group(
            "synapse",
            case.name,
            case.alone,
            WHO,
            partial(_entry, job),
            item="multiply-add",
            items=case.macs(case.alone, job.layer),
            macs=case.macs(case.alone, job.layer),
        )


@final
class _Job:
    def __init__(self, case: Case, device: str) -> None:
        self.layer: Dense | Conv = max(case.synapses, key=lambda layer: case.macs(1, layer))
        self.shared = self.layer is case.synapses[0]
        self._case, self._device = case, device

    @cached_property
    def spikes(self) -> Tensor:
        """`[T, B, *in]` if shared, else `[K, T, B, *in]`."""
        case, features = self._case, self._case.sizes()[self.layer.name]
        if self.shared:
            return case.spikes(_STREAM).to(self._device)
        rows = [case.spikes(_STREAM.child(k), features) for k in range(case.alone)]
        return torch.stack(rows).to(self._device)

    @cached_property
    def signs(self) -> Tensor:
        """`[K, *shape]` of -1 and +1."""
        bits = torch.randint(
            0,
            2,
            (self._case.alone, *self.layer.shape),
            generator=_STREAM.child("signs").generator(),
        )
        return (2 * bits - 1).float().to(self._device)

    @cached_property
    def packed(self) -> tuple[PackedSpikes, Packed]:
        dims = 3 if isinstance(self.layer, Conv) else 1
        return PackedSpikes.of(self.spikes, dims), Packed.of(self.signs)

    @cached_property
    def expected(self) -> Tensor:
        with only("reference"):
            return self.currents()

    def currents(self) -> Tensor:
        spikes, signs = self.packed
        if isinstance(self.layer, Conv):
            return signed_conv2d(spikes, signs, padding=self.layer.padding)
        return signed_linear(spikes, signs)


def _entry(job: _Job, who: str) -> Entry:
    if who in ("torch-gemm", "torch-gemm-bf16"):
        low = who == "torch-gemm-bf16"
        run, tidy = _gemm(job, torch.bfloat16 if low else torch.float32)
        tolerance = SUMS_BF16 if low else EXACT
        return Entry(run, lambda: mismatch(tidy(run()).float(), job.expected, tolerance))
    if who == "reference":

        def reference() -> Tensor:
            with only("reference"):
                return job.currents()

        return Entry(reference, lambda: mismatch(reference(), job.expected, EXACT))
    _ = job.packed
    return Entry(job.currents, lambda: mismatch(job.currents(), job.expected, EXACT))


def _gemm(job: _Job, dtype: torch.dtype) -> tuple[Callable[[], Tensor], Callable[[Tensor], Tensor]]:
    """Return torch's product on weights and spikes that are there, and how to read its result."""
    lead = job.spikes.shape[: 2 if job.shared else 3]
    spikes, signs = job.spikes.to(dtype), job.signs.to(dtype)
    draws = len(signs)
    if isinstance(job.layer, Conv):
        maps = spikes.unsqueeze(0) if job.shared else spikes
        inputs = [laid_out(maps[k % len(maps)].flatten(0, 1)) for k in range(draws)]
        kernels = [laid_out(kernel) for kernel in signs]
        padding = job.layer.padding

        @torch.inference_mode()
        def convolve() -> Tensor:
            return torch.stack(
                [F.conv2d(x, w, padding=padding) for x, w in zip(inputs, kernels, strict=True)]
            )

        return convolve, lambda out: out.unflatten(1, lead[-2:])
    if job.shared:
        tall, flat = signs.flatten(0, 1), spikes.flatten(0, 1)

        @torch.inference_mode()
        def multiply() -> Tensor:
            return F.linear(flat, tall)

        return multiply, lambda out: out.unflatten(1, (draws, -1)).unflatten(0, lead).movedim(2, 0)
    rows = spikes.flatten(1, 2)

    @torch.inference_mode()
    def batched() -> Tensor:
        return torch.bmm(rows, signs.mT)

    return batched, lambda out: out.unflatten(1, lead[-2:])
