"""An event camera looking at a still image while it is moved by saccades.

A pixel compares its log intensity with the value it remembers from its last event. Where the
difference reaches the pixel's own threshold it fires, ON for brighter and OFF for darker, is held
in reset for the refractory time, and then remembers the intensity of that moment. Thresholds differ
from pixel to pixel (mismatch), and pixels fire by themselves now and then (noise events).

Everything that decides an event is an integer, so that all machines agree on it: image positions in
1/256 of an image pixel, bilinear intensities in 1/256 of a grey level, log intensities from a table
in units of 2^-16, thresholds and noise from raw Philox words. The table is made with decimal
arithmetic, which is correctly rounded everywhere; the C library's `log` is not asked.

Source: Lichtsteiner et al. (2008), doi:10.1109/JSSC.2007.914337, for the pixel; Orchard et al.
    (2015), doi:10.3389/fnins.2015.00437, for the recording of N-MNIST under three saccades.
Oracle: tests/events/test_simulator.py.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from itertools import pairwise

import numpy as np

from bayesnn_spike.events.camera import POSITION_UNIT, Camera, Saccades, Scene
from bayesnn_spike.events.stream import EventStream
from bayesnn_spike.rng import Stream

LOG_SCALE = 1 << 16
"""Log intensities are stored in units of 2^-16."""

_CHUNK = 64
"""Recordings made together: bounds the memory, changes nothing else."""


def simulate(
    images: np.ndarray, camera: Camera, saccades: Saccades, scene: Scene, *, stream: Stream
) -> list[EventStream]:
    """Record images with one camera.

    Recording i depends on image i, i and the stream only, not on the other images. Pixel thresholds
    belong to the camera: they are the same in all recordings of one stream.

    Args:
        images: `[n, h, w]` integers in 0..scene.levels.
        camera: the sensor.
        saccades: the path of the gaze.
        scene: size and place of the image before the camera.
        stream: thresholds, image offsets and noise.

    Returns:
        One stream per image; at equal times, events are in row-major order of the pixels.

    Raises:
        ValueError: images are not integers `[n, h, w]` in range.
    """
    images = np.asarray(images)
    if images.ndim != 3 or images.dtype.kind not in "iu":
        raise ValueError(f"images must be integers [n, h, w], got {images.dtype} {images.shape}")
    if images.size and not 0 <= images.min() <= images.max() <= scene.levels:
        raise ValueError(
            f"images must lie in 0..{scene.levels}, got {images.min()}..{images.max()}"
        )
    thresholds = _thresholds(camera, stream)
    recordings: list[EventStream] = []
    for first in range(0, len(images), _CHUNK):
        chunk = images[first : first + _CHUNK]
        streams = [stream.child("recording", first + i) for i in range(len(chunk))]
        recordings += _record(chunk, camera, saccades, scene, thresholds, streams)
    return recordings


@lru_cache(maxsize=8)
def log_table(levels: int, dark: float) -> np.ndarray:
    """Return `round(2^16 ln(black + i))` for i = 0 .. levels * 256, in 1/256 of a grey level.

    black is `round(dark levels 256)`. int32, read-only.
    """
    white = levels * POSITION_UNIT
    black = max(1, round(dark * white))
    # A context of our own: the caller's could have any precision and rounding.
    context, scale = Context(prec=25, rounding=ROUND_HALF_EVEN), Decimal(LOG_SCALE)
    logs = (Decimal(value).ln(context) for value in range(black, black + white + 1))
    table = [int(context.multiply(log, scale).to_integral_value(context=context)) for log in logs]
    array = np.array(table, dtype=np.int32)
    array.setflags(write=False)
    return array


def _record(
    images: np.ndarray,
    camera: Camera,
    saccades: Saccades,
    scene: Scene,
    thresholds: np.ndarray,
    streams: list[Stream],
) -> list[EventStream]:
    """Record a chunk of images together; the arrays of a step are `[recordings, pixels]`."""
    offsets = np.stack([_offset(stream, scene.jitter) for stream in streams])
    light = _log_frames(images, camera, saccades, scene, offsets)
    noise = _noise(light.shape, camera, [stream.child("noise") for stream in streams])
    memory = light[0].copy()
    ready = np.zeros(memory.shape, dtype=np.int64)
    found = []
    for step in range(1, len(light)):
        start = (step - 1) * camera.step_us
        before, now = light[step - 1], light[step]
        armed, change = ready <= start, now - memory
        fires = armed & ((change >= thresholds[1]) | (change <= -thresholds[0]))
        who, pixel = np.nonzero(fires)
        polarity = (change[who, pixel] > 0).astype(np.int64)
        sign = 2 * polarity - 1
        # Linear inside the step; from the first instant of it to the last, never beyond.
        missing = thresholds[polarity, pixel] - sign * (before[who, pixel] - memory[who, pixel])
        speed = sign * (now[who, pixel] - before[who, pixel])
        when = start + (missing * camera.step_us - 1) // speed
        extra = noise[step - 1]
        extra = extra[:, armed[extra[0], extra[1]] & ~fires[extra[0], extra[1]]]
        events = np.concatenate([np.stack([who, pixel, polarity, when]), extra], axis=1)
        ready[events[0], events[1]] = events[3] + camera.refractory_us
        # A pixel in reset follows the light; it remembers where the light was when reset ended.
        np.copyto(memory, now, where=ready > start)
        found.append(events)
    return _streams(np.concatenate(found, axis=1), len(images), camera, saccades)


def _offset(stream: Stream, jitter: float) -> np.ndarray:
    """Return a uniform image offset (x, y) in 1/256 sensor pixel."""
    reach = round(jitter * POSITION_UNIT)
    words = stream.child("offset").numpy().bit_generator.random_raw(2) >> np.uint64(40)
    return (words.astype(np.int64) * (2 * reach + 1) >> 24) - reach


def _thresholds(camera: Camera, stream: Stream) -> np.ndarray:
    """Return `[2, pixels]` thresholds, OFF then ON: nominal plus mismatch, in 2^-16."""
    words = (
        stream.child("thresholds")
        .numpy()
        .bit_generator.random_raw(8 * camera.width * camera.height)
    )
    uniform = (words >> np.uint64(48)).astype(np.int64).reshape(2, -1, 4)
    # The sum of four uniform words has variance 4 / 12: nearly normal, at most 3.5 deviations.
    centred = uniform.sum(axis=2) - 2 * 0xFFFF
    spread = round(camera.mismatch * LOG_SCALE * 3**0.5)
    return (round(camera.threshold * LOG_SCALE) + (centred * spread >> 16)).astype(np.int32)


def _log_frames(
    images: np.ndarray, camera: Camera, saccades: Saccades, scene: Scene, offsets: np.ndarray
) -> np.ndarray:
    """Return log intensities `[steps + 1, recordings, pixels]`, int32 in 2^-16.

    Products and sums of whole numbers below 2^24 are exact in float32, in any order.
    """
    gaze = saccades.positions(camera.step_us)
    middle = (gaze.min(axis=0) + gaze.max(axis=0)) // 2
    shift = (gaze - middle)[:, None] + offsets
    rows = _weights(shift[..., 1], camera.height, images.shape[1], scene.pixels)
    columns = _weights(shift[..., 0], camera.width, images.shape[2], scene.pixels)
    grey = rows @ images.astype(np.float32) @ columns.swapaxes(-1, -2)
    index = grey.astype(np.int32).reshape(*grey.shape[:2], -1) >> 8
    return log_table(scene.levels, camera.dark)[index]


def _weights(shift: np.ndarray, sensor: int, image: int, pixels: float) -> np.ndarray:
    """Return bilinear weights `[steps, recordings, sensor, image]` in 1/256, along one axis."""
    scale = round(pixels * POSITION_UNIT)
    # Centre of a sensor pixel, from the middle of the sensor, seen under the gaze.
    place = (2 * np.arange(sensor) + 1 - sensor) * (POSITION_UNIT // 2) + shift[..., None]
    place = place * POSITION_UNIT // scale + (image - 1) * (POSITION_UNIT // 2)
    centres = (POSITION_UNIT * np.arange(image)).astype(np.float32)
    weights = place[..., None].astype(np.float32) - centres
    np.abs(weights, out=weights)
    np.subtract(POSITION_UNIT, weights, out=weights)
    return np.maximum(weights, 0, out=weights)


def _noise(shape: tuple[int, ...], camera: Camera, streams: list[Stream]) -> list[np.ndarray]:
    """Return for each step `[4, n]`: recording, pixel, polarity and time of the noise events.

    Their number is binomial, 1/16 of many slots, which is Poisson but for 6 % of the variance.
    """
    steps, pixels = shape[0] - 1, shape[2]
    slots = round(16e-6 * camera.noise_hz * pixels * steps * camera.step_us)
    parts = []
    for number, stream in enumerate(streams):
        words = stream.numpy().bit_generator.random_raw(slots).astype(np.uint64)
        words = (words[words & np.uint64(15) == 0] >> np.uint64(1)).astype(np.int64)
        step = (words >> 3 & 0xFFFFFF) * steps >> 24
        pixel = (words >> 27 & 0xFFFF) * pixels >> 16
        polarity = words >> 43 & 1
        when = step * camera.step_us + ((words >> 44 & 0xFFFF) * camera.step_us >> 16)
        # A pixel that is drawn twice in a step keeps its first event.
        _, first = np.unique(step * pixels + pixel, return_index=True)
        who = np.full(first.size, number)
        parts.append(np.stack([step[first], who, pixel[first], polarity[first], when[first]]))
    together = np.concatenate(parts, axis=1)
    together = together[:, np.argsort(together[0], kind="stable")]
    ends = np.searchsorted(together[0], np.arange(steps + 1))
    return [together[1:, a:b] for a, b in pairwise(ends)]


def _streams(
    events: np.ndarray, recordings: int, camera: Camera, saccades: Saccades
) -> list[EventStream]:
    """Sort events by recording, time and pixel, and cut them into recordings."""
    events = events[:, np.lexsort((events[1], events[3], events[0]))]
    ends = np.searchsorted(events[0], np.arange(recordings + 1))
    streams = []
    for first, last in pairwise(ends):
        _, pixel, polarity, when = events[:, first:last]
        y, x = np.divmod(pixel, camera.width)
        size = {"width": camera.width, "height": camera.height}
        size["duration_us"] = saccades.duration_us
        streams.append(EventStream(when, x, y, polarity, **size))
    return streams
