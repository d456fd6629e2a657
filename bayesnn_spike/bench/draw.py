"""The bench of draws: all weights of a case, K times, from logits to signs.

The engine packs 64 signs to a word; `torch.bernoulli` makes floats. Oracle:
tests/bench/test_draw.py.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property, partial
from typing import final

import torch
from torch import Tensor

from bayesnn_spike.bench.baselines.source import Drawn
from bayesnn_spike.bench.cases import Case
from bayesnn_spike.bench.group import Entry, Group
from bayesnn_spike.ops import only
from bayesnn_spike.ops.draw import draw_words
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights

WHO = ("cpu", "triton", "reference", "torch-bernoulli")
_STREAM = Stream(0).child("bench", "draw")
_ERRORS = 5.0
"""Standard errors that a mean may be off by."""


def groups(cases: Iterable[Case], device: str) -> Iterator[Group]:
    """Yield one job a case."""
    for case in cases:
        yield Group(
            "draw",
            case.name,
            case.alone,
            WHO,
            partial(_entry, _Job(case, device)),
            item="weight",
            items=case.alone * case.weights,
        )


@final
class _Job:
    def __init__(self, case: Case, device: str) -> None:
        self.draws, self.checked = case.alone, min(case.checked, case.alone)
        self._case, self._device = case, device

    @cached_property
    def logits(self) -> Weights:
        logits = self._case.logits(_STREAM)
        return {name: values.to(self._device) for name, values in logits.items()}

    @cached_property
    def expected(self) -> list[Tensor]:
        return self.by_reference(self.checked)

    def words(self, draws: int, first: int = 0) -> list[Tensor]:
        return [
            draw_words(values, stream=_STREAM.child(name), draws=draws, first=first)
            for name, values in self.logits.items()
        ]

    def by_reference(self, draws: int) -> list[Tensor]:
        # One draw at a time: its scratch is fifty times the result.
        with only("reference"):
            rows = [self.words(1, first=k) for k in range(draws)]
        return [torch.cat(words) for words in zip(*rows, strict=True)]


def _entry(job: _Job, who: str) -> Entry:
    draws = job.draws
    if who == "torch-bernoulli":
        source = Drawn.of(job.logits, draws, _STREAM, torch.float32)

        @torch.inference_mode()
        def floats() -> None:
            for k in range(draws):
                source.one(k)

        return Entry(floats, lambda: _frequencies(job, source.one(0)), share=1 / draws)
    if who == "reference":
        return Entry(
            lambda: job.by_reference(draws),
            lambda: _difference(job, job.by_reference(1)),
            share=1 / draws,
        )
    return Entry(lambda: job.words(draws), lambda: _difference(job, job.words(draws)))


def _difference(job: _Job, found: list[Tensor]) -> str | None:
    """Compare the first draws with the reference's, bit by bit."""
    for words, right in zip(found, job.expected, strict=True):
        count = min(len(words), len(right))
        wrong = int((words[:count] != right[:count]).sum())
        if wrong:
            return f"{wrong} words differ from the reference's"
    return None


def _frequencies(job: _Job, signs: Weights) -> str | None:
    """Signs of another generator cannot be compared with ours, but their mean can."""
    for name, values in signs.items():
        mean = job.logits[name].double().tanh()
        error = float((1 - mean.square()).sum().sqrt() / mean.numel())
        gap = abs(float(values.double().mean() - mean.mean()))
        if gap > _ERRORS * error:
            return f"the mean of {name} is off by {gap / error:.1f} standard errors"
    return None
