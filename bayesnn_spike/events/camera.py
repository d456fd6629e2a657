"""The sensor, the path of the gaze and the scene of the camera simulator, as values.

Oracle: tests/events/test_simulator.py.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

POSITION_UNIT = 256
"""Positions are stored in 1/256 of a pixel."""


@final
@dataclass(frozen=True)
class Camera:
    """The sensor.

    Args:
        width: pixels per row.
        height: rows.
        threshold: change of log intensity that makes an event.
        mismatch: standard deviation of the threshold between pixels, drawn for ON and OFF apart.
        noise_hz: mean rate of noise events per pixel.
        refractory_us: dead time after an event, at least one time step.
        step_us: time step of the simulation; event times are interpolated inside it.
        dark: intensity of black, as a share of white.
    """

    width: int = 16
    height: int = 16
    threshold: float = 0.3
    mismatch: float = 0.04
    noise_hz: float = 1.0
    refractory_us: int = 2000
    step_us: int = 1000
    dark: float = 0.2

    def __post_init__(self) -> None:
        if min(self.width, self.height, self.step_us) < 1:
            raise ValueError("a camera needs pixels and a time step of at least 1 us")
        if self.refractory_us < self.step_us:
            raise ValueError(
                f"refractory_us ({self.refractory_us}) must be at least step_us ({self.step_us}): "
                "a pixel fires once per time step at most"
            )
        # Four standard deviations, the largest the draw can give is 3.5: thresholds stay positive.
        if not self.threshold > 4 * self.mismatch >= 0 or not self.noise_hz >= 0:
            raise ValueError(
                "a camera needs threshold > 4 mismatch >= 0 and noise_hz >= 0, got "
                f"{self.threshold}, {self.mismatch}, {self.noise_hz}"
            )
        if not 0 < self.dark <= 1:
            raise ValueError(f"dark must be in (0, 1], got {self.dark}")


@final
@dataclass(frozen=True)
class Saccades:
    """The path of the gaze: straight lines between corners, at constant speed, and back.

    Args:
        corners: gaze at the corners (x, y), in sensor pixels; the path starts at the first one,
            visits the others and returns to it.
        leg_us: time for each line. The default triangle takes 306 ms.
    """

    corners: tuple[tuple[float, float], ...] = ((0.0, 0.0), (1.0, 2.0), (2.0, 0.0))
    leg_us: int = 102_000

    def __post_init__(self) -> None:
        if len(self.corners) < 2 or self.leg_us < 1:
            raise ValueError("saccades need at least two corners and a duration")

    @property
    def duration_us(self) -> int:
        """Length of the whole path."""
        return self.leg_us * len(self.corners)

    def positions(self, step_us: int) -> np.ndarray:
        """Return `[steps + 1, 2]` gaze (x, y) in 1/256 sensor pixel, int64, rounded down."""
        corners = np.array([[round(c * POSITION_UNIT) for c in corner] for corner in self.corners])
        times = np.arange(self.duration_us // step_us + 1) * step_us
        leg, into = times // self.leg_us, times % self.leg_us
        start = corners[leg % len(corners)]
        stop = corners[(leg + 1) % len(corners)]
        return start + (stop - start) * into[:, None] // self.leg_us


@final
@dataclass(frozen=True)
class Scene:
    """How an image lies before the camera.

    Args:
        levels: largest grey value (white); 0 is black, as is everything around the image.
        pixels: sensor pixels per image pixel.
        jitter: every recording's image is moved by a random offset of up to this many sensor
            pixels in x and y.
    """

    levels: int = 16
    pixels: float = 1.5
    jitter: float = 0.25

    def __post_init__(self) -> None:
        if not 1 <= self.levels <= 255 or not self.pixels > 0 or not self.jitter >= 0:
            raise ValueError(
                "a scene needs levels in [1, 255], pixels > 0 and jitter >= 0, got "
                f"{self.levels}, {self.pixels}, {self.jitter}"
            )
