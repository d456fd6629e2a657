"""fit: the order of batches, the events, and what a checkpoint resumes or refuses."""

from pathlib import Path

import numpy as np
import pytest
import torch

from bayesnn_spike.io import digest_tree
from bayesnn_spike.learn.checkpoint import Checkpoint, CheckpointError
from bayesnn_spike.learn.fit import EpochEvent, StepEvent, batch_order, fit
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch
from tests.learn.toy import ToyData, ToyLearner, ToyState

INDICES = np.arange(1, 22)
PINNED = [[13, 11, 16], [12, 10, 14]]


def train(**changes: object) -> ToyState:
    settings = {"epochs": 3, "batch_size": 4, "stream": Stream(5), "data": ToyData()} | changes
    data, indices = settings.pop("data"), settings.pop("indices", INDICES)
    state = settings.pop("state", ToyLearner().init())
    return fit(ToyLearner(), state, data, indices, **settings)


def test_the_order_is_a_pinned_function_of_stream_and_epoch() -> None:
    order = batch_order(np.arange(10, 17), epoch=0, batch_size=3, stream=Stream(5))
    assert [batch.tolist() for batch in order] == PINNED
    again = batch_order(np.arange(10, 17), epoch=0, batch_size=3, stream=Stream(5))
    assert [b.tolist() for b in again] == PINNED
    for other in (
        batch_order(np.arange(10, 17), epoch=1, batch_size=3, stream=Stream(5)),
        batch_order(np.arange(10, 17), epoch=0, batch_size=3, stream=Stream(6)),
    ):
        assert [b.tolist() for b in other] != PINNED


@pytest.mark.parametrize(("drop_last", "sizes"), [(True, [4] * 5), (False, [4] * 5 + [1])])
def test_an_epoch_visits_every_example_once(drop_last: bool, sizes: list[int]) -> None:
    order = batch_order(INDICES, epoch=2, batch_size=4, stream=Stream(1), drop_last=drop_last)
    assert [len(batch) for batch in order] == sizes
    visited = np.concatenate(order)
    assert len(np.unique(visited)) == len(visited) == sum(sizes)
    assert set(visited) <= set(INDICES)


def test_every_position_is_equally_likely() -> None:
    """Over 2,000 epochs each of 5 examples comes first about 400 times: 5 sigma is 90."""
    first = [
        int(batch_order(np.arange(5), epoch=e, batch_size=1, stream=Stream(3))[0][0])
        for e in range(2000)
    ]
    assert max(abs(np.bincount(first, minlength=5) - 400)) < 90


def test_fit_is_the_loop_written_out() -> None:
    learner, data, state = ToyLearner(), ToyData(), ToyLearner().init()
    for epoch in range(3):
        for chosen in batch_order(INDICES, epoch=epoch, batch_size=4, stream=Stream(5)):
            state, _ = learner.update(state, data.batch(chosen))
    assert digest_tree(train()) == digest_tree(state)
    assert int(state.step) == 15


def test_the_given_state_is_not_changed() -> None:
    state = ToyLearner().init()
    before = digest_tree(state)
    train(state=state)
    assert digest_tree(state) == before


def test_augment_gets_its_own_stream_every_step() -> None:
    seen: list[int] = []

    def augment(batch: Batch, stream: Stream) -> Batch:
        seen.append(stream.seed)
        return batch._replace(spikes=torch.zeros_like(batch.spikes))

    state = train(augment=augment)
    assert len(set(seen)) == len(seen) == 15
    assert not state.weights["w"].any()  # no spikes, so no gradient ever came through
    assert seen[0] == Stream(5).child("augment", 1).seed


def test_events_come_in_order_with_the_numbers_of_the_run() -> None:
    events: list[StepEvent | EpochEvent] = []
    last = train(epochs=2, callbacks=[events.append])
    steps = [event for event in events if isinstance(event, StepEvent)]
    epochs = [event for event in events if isinstance(event, EpochEvent)]
    assert [type(event) for event in events] == ([StepEvent] * 5 + [EpochEvent]) * 2
    assert [(event.epoch, event.step) for event in steps] == [(i // 5, i + 1) for i in range(10)]
    assert {event.steps for event in events} == {10}
    assert [len(event.infos) for event in epochs] == [5, 5]
    assert epochs[1].infos[4] is steps[9].info
    assert digest_tree(epochs[1].state) == digest_tree(last)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs and batch_size must be >= 1, got 0 and 4"),
        ({"batch_size": 0}, "epochs and batch_size must be >= 1, got 3 and 0"),
        ({"batch_size": 22}, "21 examples make no batch of 22"),
        ({"indices": INDICES[:0], "drop_last": False}, "0 examples make no batch of 4"),
        ({"indices": INDICES / 1.0}, r"indices must be integers \[n\], got float64\[21\]"),
        ({"indices": INDICES[None]}, r"indices must be integers \[n\], got int64\[1, 21\]"),
    ],
)
def test_wrong_arguments_are_named(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train(**changes)


class Killed(Exception):
    pass


def kill_at(step: int):
    def callback(event: StepEvent | EpochEvent) -> None:
        if isinstance(event, StepEvent) and event.step == step:
            raise Killed

    return callback


@pytest.mark.parametrize("every", [1, 4, 100])
@pytest.mark.parametrize("step", [1, 4, 5, 6, 13, 15])
def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Path, every: int, step: int) -> None:
    checkpoint = Checkpoint(tmp_path / "fit.safetensors", every=every)
    with pytest.raises(Killed):
        train(checkpoint=checkpoint, callbacks=[kill_at(step)])
    data, events = ToyData(), []
    state = train(checkpoint=checkpoint, data=data, callbacks=[events.append])
    assert digest_tree(state) == digest_tree(train())
    saved = (step - 1) // every * every
    assert [e.step for e in events if isinstance(e, StepEvent)] == list(range(saved + 1, 16))
    assert len(data.asked) == 1 + 15 - saved  # one batch identifies the data


def test_a_finished_run_returns_at_once_and_more_epochs_go_on(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "fit.safetensors")
    train(checkpoint=checkpoint)
    state = train(checkpoint=checkpoint, callbacks=[kill_at(15)])
    assert digest_tree(state) == digest_tree(train())
    longer = train(checkpoint=checkpoint, epochs=5)
    assert digest_tree(longer) == digest_tree(train(epochs=5))
    with pytest.raises(CheckpointError, match="has 25 steps behind it, but 3 epochs are only 15"):
        train(checkpoint=checkpoint)


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"batch_size": 5}, "batch_size was 4 and is now 5"),
        ({"stream": Stream(6)}, "stream was '5' and is now '6'"),
        ({"drop_last": False}, "drop_last was True and is now False"),
        ({"indices": INDICES - 1}, "indices was"),
        ({"data": ToyData(seed=1)}, "data was"),
        ({"state": ToyLearner().init(seed=4)}, "initial state was"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(
    tmp_path: Path, changes: dict, setting: str
) -> None:
    checkpoint = Checkpoint(tmp_path / "fit.safetensors")
    train(checkpoint=checkpoint, epochs=1)
    with pytest.raises(CheckpointError, match=f"belongs to another run.*{setting}.*Delete it"):
        train(checkpoint=checkpoint, epochs=1, **changes)
