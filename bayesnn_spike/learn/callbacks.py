"""Small callbacks for `fit`, and the two filters that make more of them.

    fit(..., callbacks=[require_finite, on_epochs(evaluate, every=5), on_steps(log.append)])

A callback is any function of a `StepEvent` or an `EpochEvent`; these are examples to read.

Oracle: tests/learn/test_callbacks.py.
"""

from collections.abc import Callable

import torch

from bayesnn_spike.learn.fit import Callback, EpochEvent, StepEvent


def on_steps(call: Callable[[StepEvent], object], *, every: int = 1) -> Callback:
    """Call `call` after every `every`-th update."""
    _require_positive(every)

    def callback(event: StepEvent | EpochEvent) -> None:
        if isinstance(event, StepEvent) and event.step % every == 0:
            call(event)

    return callback


def on_epochs(call: Callable[[EpochEvent], object], *, every: int = 1) -> Callback:
    """Call `call` after every `every`-th epoch, and after the last."""
    _require_positive(every)

    def callback(event: StepEvent | EpochEvent) -> None:
        if isinstance(event, EpochEvent):
            last = event.step == event.steps
            if last or (event.epoch + 1) % every == 0:
                call(event)

    return callback


def require_finite(event: StepEvent | EpochEvent) -> None:
    """Stop training at the first loss that is not finite, instead of hours later.

    Raises:
        FloatingPointError: `info.loss` holds a NaN or an infinity; names epoch and step.
    """
    if isinstance(event, StepEvent):
        loss = torch.as_tensor(event.info.loss)
        if not bool(torch.isfinite(loss).all()):
            raise FloatingPointError(
                f"the loss is {loss.tolist()} at epoch {event.epoch}, step {event.step} of "
                f"{event.steps}: lower the step size or check the inputs"
            )


def _require_positive(every: int) -> None:
    if every < 1:
        raise ValueError(f"`every` must be >= 1, got {every}")
