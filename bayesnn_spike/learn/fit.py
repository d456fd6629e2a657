"""The epoch loop: batches in a fixed order, updates, events for callbacks, checkpoints.

Read it, and replace it where it does not fit: a learner is a pure function of (state, batch), so
the whole loop is the twenty lines of `fit`. The batches of an epoch are a pure function of
(stream, epoch), and the random numbers of an update come from the learner's own state. A run that
is killed at any step and started again therefore ends with the same bits as one that was not, on
the same machine with the same number of threads.

Oracle: tests/learn/test_fit.py, tests/integration/test_resume.py.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np

from bayesnn_spike.io import digest_tree
from bayesnn_spike.learn.checkpoint import Checkpoint, CheckpointError
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch

State = TypeVar("State")


@runtime_checkable
class Updates(Protocol):
    """What `fit` asks of a learner."""

    def update(self, state: Any, batch: Batch) -> tuple[Any, Any]:
        """Return (next state, info); pure: the same arguments give the same bits."""


@runtime_checkable
class Batches(Protocol):
    """What `fit` asks of a data set."""

    def batch(self, indices: np.ndarray) -> Batch:
        """Return the examples at `indices`, time first; pure."""


class StepEvent(NamedTuple):
    """One update is done.

    Attributes:
        epoch: from 0.
        step: updates done since the start of training, from 1; counts on through a resume.
        steps: updates that the whole run takes.
        info: what the learner's `update` returned.
        state: the state after the update.
    """

    epoch: int
    step: int
    steps: int
    info: Any
    state: Any


class EpochEvent(NamedTuple):
    """One epoch is done; sent after the event of its last step.

    Attributes:
        epoch, step, steps, state: as in `StepEvent`.
        infos: the infos of the epoch's steps; after a resume, of those done since.
    """

    epoch: int
    step: int
    steps: int
    infos: tuple[Any, ...]
    state: Any


Callback = Callable[[StepEvent | EpochEvent], None]
Augment = Callable[[Batch, Stream], Batch]


def fit(
    learner: Updates,
    state: State,
    data: Batches,
    indices: np.ndarray,
    *,
    epochs: int,
    batch_size: int,
    stream: Stream,
    augment: Augment | None = None,
    callbacks: Sequence[Callback] = (),
    checkpoint: Checkpoint | None = None,
    drop_last: bool = True,
) -> State:
    """Train for some epochs and return the last state.

    Args:
        learner: its `update(state, batch)` returns (state, info).
        state: the state to start from; not changed.
        data: its `batch(indices)` returns a `Batch`.
        indices: which examples to train on, `[n]` integers, such as `split.indices`.
        epochs: passes over the examples.
        batch_size: examples in an update.
        stream: gives the order of the batches and the random numbers of `augment`.
        augment: `(batch, stream) -> batch`, applied to every training batch.
        callbacks: functions of a `StepEvent` or `EpochEvent`, called in order. They see every
            event at least once; steps after the last checkpoint are seen again after a resume.
        checkpoint: save there, and go on from there if the file exists. A finished run returns
            at once; more `epochs` than it had continue it.
        drop_last: leave out an epoch's last batch when it is short, so that all steps are alike.

    Raises:
        ValueError: no epoch, no batch, or indices that are no integers.
        CheckpointError: the checkpoint belongs to another run or is longer than this one.
    """
    indices = _checked(indices, epochs, batch_size, drop_last)
    per_epoch = len(indices) // batch_size if drop_last else -(-len(indices) // batch_size)
    steps, done = epochs * per_epoch, 0
    run: dict[str, Any] = {}
    if checkpoint is not None:
        run = _describe_run(state, data, indices, batch_size, stream, drop_last)
        state, done = checkpoint.load(state, run=run) or (state, 0)
        if done > steps:
            raise CheckpointError(
                f"{checkpoint.path}: has {done} steps behind it, but {epochs} epochs are only "
                f"{steps}: ask for more epochs, or delete it to start afresh"
            )
    for epoch in range(done // per_epoch, epochs):
        infos: list[Any] = []
        batches = batch_order(
            indices, epoch=epoch, batch_size=batch_size, stream=stream, drop_last=drop_last
        )
        for step, chosen in enumerate(batches, start=1 + epoch * per_epoch):
            if step <= done:
                continue
            batch = data.batch(chosen)
            if augment is not None:
                batch = augment(batch, stream.child("augment", step))
            state, info = learner.update(state, batch)
            infos.append(info)
            _tell(callbacks, StepEvent(epoch, step, steps, info, state))
            if step == (epoch + 1) * per_epoch:
                _tell(callbacks, EpochEvent(epoch, step, steps, tuple(infos), state))
            # Saved after the callbacks, so that a kill in between repeats an event, not loses it.
            if checkpoint is not None and (step % checkpoint.every == 0 or step == steps):
                checkpoint.save(state, step=step, run=run)
    return state


def batch_order(
    indices: np.ndarray, *, epoch: int, batch_size: int, stream: Stream, drop_last: bool = True
) -> list[np.ndarray]:
    """Return the batches of one epoch: the examples in the order of fresh 64-bit random keys.

    A pure function of its arguments. The keys are raw Philox words and the sort is stable, so
    the order does not depend on the version of numpy.
    """
    keys = stream.child("order", epoch).numpy().bit_generator.random_raw(len(indices))
    shuffled = indices[np.argsort(keys, kind="stable")]
    stop = len(indices) - len(indices) % batch_size if drop_last else len(indices)
    return [shuffled[start : start + batch_size] for start in range(0, stop, batch_size)]


def _checked(indices: np.ndarray, epochs: int, batch_size: int, drop_last: bool) -> np.ndarray:
    indices = np.asarray(indices)
    if indices.ndim != 1 or not np.issubdtype(indices.dtype, np.integer):
        raise ValueError(f"indices must be integers [n], got {indices.dtype}{list(indices.shape)}")
    if epochs < 1 or batch_size < 1:
        raise ValueError(f"epochs and batch_size must be >= 1, got {epochs} and {batch_size}")
    if len(indices) < (batch_size if drop_last else 1):
        raise ValueError(
            f"{len(indices)} examples make no batch of {batch_size}: "
            "take a smaller batch_size, more examples, or drop_last=False"
        )
    return indices


def _describe_run(
    state: Any,
    data: Batches,
    indices: np.ndarray,
    batch_size: int,
    stream: Stream,
    drop_last: bool,
) -> dict[str, Any]:
    """Return what must be equal for a resumed run to end with the same bits."""
    return {
        "batch_size": batch_size,
        "drop_last": drop_last,
        "stream": str(stream.seed),  # 64 bits do not fit every JSON reader's numbers
        "initial state": digest_tree(state),
        "indices": hashlib.sha256(indices.astype("<i8").tobytes()).hexdigest(),
        # The first examples stand for the data: another binning or data set has other bits.
        "data": digest_tree(data.batch(indices[:batch_size])),
    }


def _tell(callbacks: Sequence[Callback], event: StepEvent | EpochEvent) -> None:
    for callback in callbacks:
        callback(event)
