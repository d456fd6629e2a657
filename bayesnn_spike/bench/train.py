"""The bench of training: one step of a rule on one batch.

Straight-through (Adam, clamped latents, back-propagation through all steps) against the same step
in the frameworks; Bayes-BiSNN with one hard draw, which they do not have. The engine's step is a
pure function and is timed from the same state again and again; the frameworks move on from step to
step, which changes nothing in what dense arithmetic costs. Oracle: tests/bench/test_train.py.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from typing import Any, final

from torch import Tensor

from bayesnn_spike.bench.baselines import snntorch, spikingjelly, torch_fused_t, torch_loop
from bayesnn_spike.bench.baselines.straight_through import LR
from bayesnn_spike.bench.baselines.straight_through import StraightThrough as Baseline
from bayesnn_spike.bench.cases import Case
from bayesnn_spike.bench.group import Entry, Group
from bayesnn_spike.learn import learner
from bayesnn_spike.learn.learner import Learner, LearnerState
from bayesnn_spike.learn.losses import RateCrossEntropy
from bayesnn_spike.learn.optimizers import Adam
from bayesnn_spike.learn.rules import BayesBiSNN, StraightThrough
from bayesnn_spike.learn.temperature import Temperature
from bayesnn_spike.ops import only
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch, Weights

WHO = ("cpu", "triton", "reference", "torch-loop", "torch-fused-t", "snntorch", "spikingjelly")
WHO_BAYES = ("cpu", "triton", "reference")
BAYES = "bayes-bisnn"
"""Ends the case's name where the rule is not straight-through."""
MOST_WRONG = 1e-3
"""Share of latents whose step may differ by more than 1 % of the step size.

Adam's first step is lr g / |g|: a gradient below the rounding of its sum has a sign of its own.
"""
MOST_OFF = 1e-4
"""How far the loss may be from the reference's, relatively."""
ROUNDED = 10.0
"""So many times both for SpikingJelly: its leak rounds otherwise, and where integers are counted a
membrane often lies on the threshold itself. With v - v / 10 for its leak `torch-fused-t` took the
same step of gesture-conv, in float64 on eight examples, as SpikingJelly."""
_STREAM = Stream(0).child("bench", "train")


def groups(cases: Iterable[Case], device: str) -> Iterator[Group]:
    """Yield the two rules for every case."""
    for case in cases:
        forward, first = case.macs(1), case.macs(1, case.synapses[0])
        for rule, who in (("", WHO), (f":{BAYES}", WHO_BAYES)):
            yield Group(
                "train",
                f"{case.name}{rule}",
                1,
                who,
                partial(_entry, _Job(case, bool(rule), device)),
                item="multiply-add",
                # Forward, gradients of weights, and of inputs but for the first layer.
                items=3 * forward - first,
                macs=3 * forward - first,
            )


@final
class _Job:
    def __init__(self, case: Case, bayes: bool, device: str) -> None:
        self.case, self._bayes, self._device = case, bayes, device

    @cached_property
    def batch(self) -> Batch:
        spikes, labels = self.case.batch_of(_STREAM)
        return Batch(spikes.to(self._device), labels.to(self._device))

    @cached_property
    def learner(self) -> Learner:
        network = self.case.network().to(self._device)
        rule = (
            BayesBiSNN(Temperature(examples=60_000))
            if self._bayes
            else StraightThrough(optimizer=Adam(LR))
        )
        return learner(rule, network, RateCrossEntropy())

    @cached_property
    def state(self) -> LearnerState:
        return self.learner.init(_STREAM)

    @cached_property
    def expected(self) -> tuple[Tensor, Weights]:
        with only("reference"):
            return self.update()

    def update(self) -> tuple[Tensor, Weights]:
        """Return the loss, and the latents after a step."""
        after, info = self.learner.update(self.state, self.batch)
        return info.loss, self.latents(after)

    def latents(self, state: LearnerState) -> Weights:
        rule: Any = state.rule
        if self._bayes:
            return rule.logits
        return {name: values[0] for name, values in rule.latents.items()}


def _entry(job: _Job, who: str) -> Entry:
    readouts: dict[str, Callable[[], Callable[[Tensor, Weights], Tensor]]] = {
        "torch-loop": lambda: partial(torch_loop.readout, job.case.layers),
        "torch-fused-t": lambda: partial(torch_fused_t.readout, job.case.layers),
        "snntorch": lambda: snntorch.readout(job.case.layers),
        "spikingjelly": lambda: spikingjelly.readout(job.case.layers),
    }
    if who in readouts:
        baseline = Baseline(readouts[who](), job.latents(job.state))

        def first_step() -> str | None:
            loss = baseline.step(job.batch)
            allowed = ROUNDED if who == "spikingjelly" else 1.0
            return _difference(job, loss, baseline.latents, allowed)

        return Entry(lambda: baseline.step(job.batch), first_step)
    if who == "reference":

        def reference() -> tuple[Tensor, Weights]:
            with only("reference"):
                return job.update()

        return Entry(reference, lambda: _difference(job, *reference()))
    return Entry(job.update, lambda: _difference(job, *job.update()))


def _difference(job: _Job, loss: Tensor, latents: Weights, allowed: float = 1.0) -> str | None:
    """Compare loss and step with the reference's; `allowed` multiplies the tolerances."""
    right_loss, right = job.expected
    if abs(float(loss) - float(right_loss)) > allowed * MOST_OFF * abs(float(right_loss)):
        return f"the loss is {float(loss):.6g}, the reference's {float(right_loss):.6g}"
    before = job.latents(job.state)
    for name, values in latents.items():
        step = (right[name] - before[name]).abs().max()
        wrong = (values.detach() - right[name]).abs() > 0.01 * step
        share = float(wrong.double().mean())
        if share > allowed * MOST_WRONG:
            return f"{share:.2%} of the steps of {name} differ from the reference's"
    return None
