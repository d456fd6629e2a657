"""Continual learning: tasks one after the other, each seen once, and what is carried between them.

    tasks = class_tasks(data.labels, split.indices, ((0, 1), (2, 3)))
    method = PosteriorToPrior(lambda n: BayesBiSNN(Temperature(n)))
    for trained in learn_tasks(method, network, RateCrossEntropy(), data, tasks, ...):
        predict(network, trained.posterior, spikes, ...)

A rule is made anew for every task, so that its temperature counts that task's own examples, and
its optimizer always starts afresh. A method says what the next task starts from, and refuses a rule
that it cannot carry when it is asked for one: before anything is trained.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, final

import numpy as np
from torch import nn

from bayesnn_spike.checks import require_positive
from bayesnn_spike.events.ledger import Labels, SplitError, as_integers
from bayesnn_spike.learn.carry import as_prior, require, restarted
from bayesnn_spike.learn.coreset import Coreset
from bayesnn_spike.learn.fisher import diagonal_fisher
from bayesnn_spike.learn.fit import Augment, Batches, fit
from bayesnn_spike.learn.learner import learner
from bayesnn_spike.learn.rule import Rule
from bayesnn_spike.learn.rules import EWC, ByGroup
from bayesnn_spike.learn.rules.ewc import EwcState
from bayesnn_spike.posterior import AbstractPosterior, Bernoulli
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights

MakeRule = Callable[[int], Rule]
"""From the examples of a task to the rule that learns it."""


@final
@dataclass(frozen=True, eq=False)
class Task:
    """One task of a sequence.

    Attributes:
        classes: indices of its classes.
        indices: `[n]` rows of the data set to learn from.
    """

    classes: tuple[int, ...]
    indices: np.ndarray


class TaskEnd(NamedTuple):
    """What a method may look at when a task ends.

    Attributes:
        network, loss: those of the learner.
        data: all examples.
        indices: those that the task was learned from.
        stream: for draws of its own.
    """

    network: nn.Module
    loss: Any
    data: Batches
    indices: np.ndarray
    stream: Stream


class Method(Protocol):
    """What is carried from one task to the next."""

    def rule(self, examples: int) -> Rule:
        """Return the rule of a task with so many examples; TypeError if it cannot be carried."""

    def carry(self, state: Any, rule: Rule, end: TaskEnd) -> Any:
        """Return the state that the next task starts from, given the last of `rule`'s."""


@final
@dataclass(frozen=True)
class Naive:
    """Just go on: latents are kept, the optimizer starts afresh, a prior stays what it was.

    Args:
        make: the rule of a task, from its number of examples.
    """

    make: MakeRule

    def rule(self, examples: int) -> Rule:
        return require(restarted, self.make(examples))

    def carry(self, state: Any, rule: Rule, end: TaskEnd) -> Any:
        del end
        return restarted(state, rule)


@final
@dataclass(frozen=True)
class PosteriorToPrior:
    """Streaming Bayes: the posterior of a task is the prior of the next (`consolidate`).

    Args:
        make: `BayesBiSNN`, `IVON`, or a `ByGroup` with one of them (each group is carried by its
            own rule, and a group with a point rule just goes on), from a task's number of examples.
    """

    make: MakeRule

    def rule(self, examples: int) -> Rule:
        return require(as_prior, self.make(examples))

    def carry(self, state: Any, rule: Rule, end: TaskEnd) -> Any:
        del end
        return as_prior(state, rule)


@final
@dataclass(frozen=True)
class Elastic:
    """Elastic weight consolidation: the diagonal Fisher information at the end of each task.

    Args:
        make: a point rule or a `ByGroup` of them, from a task's number of examples.
        strength: of the springs, see `EWC`.
    """

    make: MakeRule
    strength: float = 1.0

    def rule(self, examples: int) -> EWC | ByGroup:
        made = self.make(examples)
        if not isinstance(made, ByGroup):
            return EWC(made, examples, self.strength)
        return ByGroup(tuple((p, EWC(r, examples, self.strength)) for p, r in made.rules))

    def carry(self, state: Any, rule: EWC | ByGroup, end: TaskEnd) -> Any:
        weights = {n: w[0] for n, w in rule.posterior(state).mode().items()}
        batch = end.data.batch(end.indices)
        fisher = diagonal_fisher(end.network, weights, end.loss, batch)
        if isinstance(rule, ByGroup):
            return {p: _anchored(state[p], part, fisher) for p, part in rule.rules}
        return _anchored(state, rule, fisher)


def _anchored(state: EwcState, rule: EWC, fisher: Weights) -> EwcState:
    own = {name: fisher[name] for name in state.inner.latents}
    anchored = rule.anchor(state, own)
    return anchored._replace(inner=restarted(anchored.inner, rule.rule))


class Trained(NamedTuple):
    """After a task.

    Attributes:
        task: its number, from 0.
        posterior: what predicts now.
        state: the rule's state at its end; without the coreset's examples.
    """

    task: int
    posterior: AbstractPosterior
    state: Any


def learn_tasks(
    method: Method,
    network: nn.Module,
    loss: Any,
    data: Batches,
    tasks: Sequence[Task],
    *,
    epochs: int,
    batch_size: int,
    stream: Stream,
    horizon: int | None = None,
    burn_in: int = 0,
    augment: Augment | None = None,
    coreset: Coreset | None = None,
) -> Iterator[Trained]:
    """Learn tasks one after the other and yield what predicts after each.

    Args:
        method: Naive, PosteriorToPrior or Elastic.
        network, loss, horizon, burn_in: as `learner` takes them.
        data: its `batch(indices)` returns a `Batch`.
        tasks: in order.
        epochs: passes over a task, and over the coreset.
        batch_size: examples in an update; smaller sets are one batch.
        stream: first latents, orders of examples and all draws.
        augment: as in `fit`.
        coreset: examples kept of each task, or None.

    Raises:
        ValueError: no task, or as `fit`; (before the first task) nothing is left beside a coreset.
        TypeError: (before the first task) the method cannot carry a task's rule.

    Oracle: tests/learn/test_continual.py (sequential equals joint Bayes on linear losses).
    """
    require_positive(len(tasks), "the number of tasks")
    for number, task in enumerate(tasks):  # what is refused is refused before anything is trained
        try:
            learned = len(task.indices) if coreset is None else coreset.left(len(task.indices))
        except ValueError as error:
            raise ValueError(f"task {number}: {error}") from error
        method.rule(learned)
    carried, kept = None, []

    def train(rule: Rule, state: Any, indices: np.ndarray, place: Stream) -> Any:
        learning = learner(rule, network, loss, horizon=horizon, burn_in=burn_in)
        start = learning.init(place.child("learner"))
        return fit(
            learning,
            start if state is None else start._replace(rule=state),
            data,
            indices,
            epochs=epochs,
            batch_size=min(batch_size, len(indices)),
            stream=place.child("order"),
            augment=augment,
        ).rule

    for number, task in enumerate(tasks):
        place, indices = stream.child("task", number), task.indices
        if coreset is not None:
            indices, chosen = coreset.divide(indices, place.child("coreset"))
            kept.append(chosen)
        rule = method.rule(len(indices))
        state = train(rule, carried, indices, place)
        carried = method.carry(state, rule, TaskEnd(network, loss, data, indices, place))
        answer, asked = state, rule
        if kept:
            together = np.concatenate(kept)
            asked = method.rule(len(together))
            answer = train(asked, carried, together, place.child("kept"))
        yield Trained(number, asked.posterior(answer), state)


def class_tasks(
    labels: Labels, indices: np.ndarray, groups: Sequence[Sequence[int]]
) -> tuple[Task, ...]:
    """Return a task for each group of classes, with its examples among `indices`.

    Args:
        labels: `[N]` of the whole data set.
        indices: `[n]` rows to divide, such as those of a split.
        groups: class indices of each task, in order.

    Raises:
        SplitError: a class is in two groups, or a group has no example.
    """
    values = as_integers(labels, "the labels")
    rows = as_integers(indices, "the indices")
    flat = [c for group in groups for c in group]
    if len(set(flat)) != len(flat):
        raise SplitError(f"a class is in two tasks: {[list(group) for group in groups]}")
    tasks = []
    for group in groups:
        chosen = rows[np.isin(values[rows], list(group))]
        if not len(chosen):
            raise SplitError(f"no example has a class of the task {list(group)}")
        tasks.append(Task(tuple(group), chosen))
    return tuple(tasks)


def frozen_share(posterior: AbstractPosterior, above: float = 5.0) -> float | None:
    """Return the share of weights whose |logit| exceeds `above`; None if it has no logits.

    Such a weight is wrong with probability below exp(-2 above): as a prior it hardly lets a later
    task turn it round.
    """
    if not isinstance(posterior, Bernoulli):
        return None
    sizes = [v.numel() for v in posterior.logits.values()]
    frozen = [int((v.abs() > above).sum()) for v in posterior.logits.values()]
    return sum(frozen) / sum(sizes)
