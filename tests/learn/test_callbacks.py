"""callbacks: the filters pass exactly the events they name; a bad loss stops training."""

import pytest
import torch

from bayesnn_spike.learn.callbacks import on_epochs, on_steps, require_finite
from bayesnn_spike.learn.fit import EpochEvent, StepEvent
from tests.learn.toy import ToyInfo

EVENTS = [
    event
    for step in range(1, 11)
    for event in (
        [StepEvent((step - 1) // 2, step, 10, None, None)]
        + ([EpochEvent(step // 2 - 1, step, 10, (), None)] if step % 2 == 0 else [])
    )
]


@pytest.mark.parametrize(("every", "steps"), [(1, list(range(1, 11))), (4, [4, 8])])
def test_on_steps(every: int, steps: list[int]) -> None:
    seen: list[StepEvent] = []
    callback = on_steps(seen.append, every=every)
    for event in EVENTS:
        callback(event)
    assert [event.step for event in seen] == steps
    assert {type(event) for event in seen} == {StepEvent}


@pytest.mark.parametrize(("every", "epochs"), [(1, [0, 1, 2, 3, 4]), (2, [1, 3, 4]), (9, [4])])
def test_on_epochs_ends_with_the_last(every: int, epochs: list[int]) -> None:
    seen: list[EpochEvent] = []
    callback = on_epochs(seen.append, every=every)
    for event in EVENTS:
        callback(event)
    assert [event.epoch for event in seen] == epochs
    assert {type(event) for event in seen} == {EpochEvent}


@pytest.mark.parametrize("make", [on_steps, on_epochs])
def test_every_must_be_positive(make: object) -> None:
    with pytest.raises(ValueError, match="`every` must be >= 1, got 0"):
        make(print, every=0)


@pytest.mark.parametrize("loss", [torch.tensor(float("nan")), torch.tensor([1.0, float("inf")])])
def test_a_loss_that_is_not_finite_stops(loss: torch.Tensor) -> None:
    with pytest.raises(FloatingPointError, match="at epoch 2, step 5 of 10"):
        require_finite(StepEvent(2, 5, 10, ToyInfo(loss), None))


def test_a_finite_loss_and_an_epoch_pass() -> None:
    finite = ToyInfo(torch.tensor([1.0, 2.0]))
    assert require_finite(StepEvent(2, 5, 10, finite, None)) is None
    assert require_finite(EpochEvent(2, 6, 10, (), None)) is None
