"""The checks that all readers share: sensor and order, with the place in the file."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesnn_spike.events.errors import EventFileError
from bayesnn_spike.events.readers.policies import OnBackwards, Order, first_backwards
from bayesnn_spike.events.readers.sensors import Sensor

Where = Callable[[int], int | str]
"""From the number of an event to its place in the file."""


def check_sensor(
    path: str | os.PathLike[str],
    x: NDArray[np.integer[Any]],
    y: NDArray[np.integer[Any]],
    sensor: Sensor,
    where: Where,
    hint: str = "",
) -> None:
    """Raise EventFileError unless every event lies on the sensor; `x` and `y` are `[n]`."""
    off = (x >= sensor.width) | (y >= sensor.height) | (x < 0) | (y < 0)
    if off.any():
        event = int(off.argmax())
        raise EventFileError(
            path,
            where(event),
            f"event {event} at x = {x[event]}, y = {y[event]}",
            f"a pixel of the {sensor} sensor{hint or '; give sensor=... if it is another one'}",
        )


def put_in_order(
    path: str | os.PathLike[str],
    t_us: NDArray[np.int64],
    on_backwards: OnBackwards,
    where: Where,
) -> tuple[NDArray[np.int64], Order]:
    """Return times that never decrease and the order of the events, or raise EventFileError."""
    ordered, order = on_backwards.apply(t_us)
    event = first_backwards(ordered)
    if event is not None:
        raise EventFileError(
            path,
            where(event),
            f"event {event} at {t_us[event]} us after one at {t_us[event - 1]} us",
            "time that never runs backwards; give on_backwards=Sort(), Cut() or "
            "Unwrap(period_us) to accept it",
        )
    return ordered, order
