"""Sensor sizes, which several formats do not store."""

from dataclasses import dataclass
from typing import final

from bayesnn_spike.events.errors import EventError


@final
@dataclass(frozen=True)
class Sensor:
    """Columns and rows of a sensor.

    Raises:
        EventError: a side is not a whole number of at least 1.
    """

    width: int
    height: int

    def __post_init__(self) -> None:
        for name, value in (("width", self.width), ("height", self.height)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise EventError(f"sensor {name} must be a whole number >= 1, got {value!r}")

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


NMNIST = Sensor(34, 34)
"""The cut-out of the ATIS in N-MNIST."""

DVS128 = Sensor(128, 128)
"""The DVS128 camera: MNIST-DVS, CIFAR10-DVS, DVS-Gesture."""

DVS_GESTURE = DVS128
"""The sensor of DVS-Gesture."""

COCHLEA = Sensor(700, 1)
"""The 700 channels of the cochlea model behind SHD and SSC."""
