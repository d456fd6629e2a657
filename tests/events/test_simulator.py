from hashlib import sha256

import numpy as np
import pytest

from bayesnn_spike.events import simulator
from bayesnn_spike.events.camera import Camera, Saccades, Scene
from bayesnn_spike.events.simulator import LOG_SCALE, log_table, simulate
from bayesnn_spike.rng import Stream

STILL = Saccades(corners=((0.0, 0.0), (0.0, 0.0)), leg_us=500_000)
QUIET = Camera(mismatch=0.0, noise_hz=0.0)
FIXED = Scene(jitter=0.0)


def images(n, levels=16):
    random = np.random.Generator(np.random.Philox(key=3))
    return random.integers(0, levels + 1, (n, 8, 8))


def digest(recordings):
    text = sha256()
    for events in recordings:
        for array in (events.t_us, events.x, events.y, events.p):
            text.update(array.astype("<i8"))
    return text.hexdigest()


def brightness(image, scene, camera, saccades, step, x, y):
    """Log intensity at one pixel and step by the definition, in plain Python integers."""
    path = saccades.positions(camera.step_us).tolist()
    total = 0
    place = []
    for axis, (pixel, sensor, size) in enumerate(
        [(x, camera.width, image.shape[1]), (y, camera.height, image.shape[0])]
    ):
        along = [position[axis] for position in path]
        shift = path[step][axis] - (min(along) + max(along)) // 2
        centred = (2 * pixel + 1 - sensor) * 128 + shift
        place.append(centred * 256 // round(scene.pixels * 256) + (size - 1) * 128)
    (column, right), (row, down) = (divmod(value, 256) for value in place)
    for i, a in ((row, 256 - down), (row + 1, down)):
        for j, b in ((column, 256 - right), (column + 1, right)):
            if 0 <= i < image.shape[0] and 0 <= j < image.shape[1]:
                total += a * b * int(image[i, j])
    return int(log_table(scene.levels, camera.dark)[total >> 8])


def one_by_one(image, camera, saccades, scene):
    """Record without noise, mismatch or jitter, pixel after pixel: the oracle."""
    found = []
    threshold = round(camera.threshold * LOG_SCALE)
    steps = saccades.duration_us // camera.step_us
    for y in range(camera.height):
        for x in range(camera.width):
            at = (image, scene, camera, saccades)
            light = [brightness(*at, step, x, y) for step in range(steps + 1)]
            memory, ready = light[0], 0
            for step in range(steps):
                start, before, now = step * camera.step_us, light[step], light[step + 1]
                if ready <= start:
                    for polarity, sign in ((1, 1), (0, -1)):
                        if sign * (now - memory) >= threshold:
                            missing = threshold - sign * (before - memory)
                            part = (missing * camera.step_us - 1) // (sign * (now - before))
                            found.append((start + part, y, x, polarity))
                            ready = start + part + camera.refractory_us
                if ready > start:
                    memory = now
    return sorted(found)


@pytest.mark.parametrize(
    ("camera", "saccades", "scene"),
    [
        (Camera(6, 5, 0.1, 0.0, 0.0), Saccades(leg_us=20_000), Scene(jitter=0.0)),
        (
            Camera(5, 6, 0.05, 0.0, 0.0, refractory_us=2500, step_us=500, dark=0.02),
            Saccades(corners=((0.0, 0.0), (-2.5, 1.25)), leg_us=13_000),
            Scene(levels=255, pixels=0.7, jitter=0.0),
        ),
    ],
)
def test_it_is_the_plain_loop_over_pixels(camera, saccades, scene):
    image = images(1, scene.levels)
    (events,) = simulate(image, camera, saccades, scene, stream=Stream(0))
    expected = one_by_one(image[0], camera, saccades, scene)
    assert len(expected) > 100
    columns = (events.t_us, events.y, events.x, events.p)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected
    assert events.duration_us == saccades.duration_us


def test_an_edge_makes_the_events_that_its_contrast_asks_for():
    # A white square of 8 pixels moves by 4; white over black is ln(1.25 / 0.25) = 1.609.
    image = np.full((1, 4, 4), 1)
    camera = Camera(16, 4, 0.2, 0.0, 0.0, refractory_us=1, step_us=1, dark=0.25)
    path = Saccades(corners=((0.0, 0.0), (4.0, 0.0)), leg_us=4000)
    (events,) = simulate(image, camera, path, Scene(1, 2.0, 0.0), stream=Stream(0))
    forth = events.slice_time(0, 4000)
    # The gaze moves right, so the image moves left: ON ahead of it, OFF behind it. Its edges, from
    # 6 to 2 and from 14 to 10, are ramps of one pixel to either side.
    assert set(forth.x[forth.p == 1].tolist()) == {1, 2, 3, 4, 5, 6}
    assert set(forth.x[forth.p == 0].tolist()) == {9, 10, 11, 12, 13, 14}
    # Pixels 3 and 4 go from black to white altogether: 8 thresholds of 0.2 in 1.609.
    for x in (3, 4):
        on = (forth.x == x) & (forth.y == 1) & (forth.p == 1)
        assert 7 <= int(on.sum()) <= 8
    back = events.slice_time(4000, 8000)
    assert abs(len(back) - len(forth)) <= 0.1 * len(forth)


def test_a_still_image_is_silent_without_noise():
    recordings = simulate(images(3), QUIET, STILL, FIXED, stream=Stream(0))
    assert [len(events) for events in recordings] == [0, 0, 0]
    assert recordings[0].duration_us == 1_000_000


def test_noise_has_the_rate_it_should():
    camera = Camera(noise_hz=5.0)
    recordings = simulate(images(20), camera, STILL, FIXED, stream=Stream(1))
    # 20 recordings of 256 pixels for one second: 25,600 expected, deviation at most 160.
    total = sum(len(events) for events in recordings)
    assert abs(total - 25_600) < 4.5 * 160 + 0.011 * 25_600  # 1 % falls into dead time
    on = sum(int(events.p.sum()) for events in recordings)
    assert abs(on - total / 2) < 4.5 * (total / 4) ** 0.5
    pixels = np.bincount(np.concatenate([16 * e.y + e.x for e in recordings]), minlength=256)
    assert pixels.min() > 50
    assert pixels.max() < 150


def test_a_pixel_rests_after_an_event():
    camera = Camera(noise_hz=100.0, refractory_us=4000)
    for events in simulate(images(2), camera, Saccades(), Scene(), stream=Stream(2)):
        for pixel in range(256):
            times = events.t_us[16 * events.y + events.x == pixel]
            assert (np.diff(times) >= 4000).all()


def test_thresholds_spread_as_they_should():
    camera = Camera(64, 64, threshold=0.3, mismatch=0.03)
    drawn = simulator._thresholds(camera, Stream(0)) / LOG_SCALE
    assert drawn.shape == (2, 64 * 64)
    np.testing.assert_allclose(drawn.mean(axis=1), 0.3, atol=4.5 * 0.03 / 64)
    np.testing.assert_allclose(drawn.std(axis=1), 0.03, rtol=0.05)
    assert drawn.min() > 0.3 - 3.5 * 0.03
    assert np.abs(np.corrcoef(drawn)[0, 1]) < 4.5 / 64


def test_the_image_lies_where_jitter_says():
    offsets = np.array([simulator._offset(Stream(i), 1.5) for i in range(500)])
    assert offsets.min() >= -384
    assert offsets.max() <= 384
    assert np.abs(offsets.mean(axis=0)).max() < 4.5 * 384 / 3**0.5 / 500**0.5
    assert simulator._offset(Stream(0), 0.0).tolist() == [0, 0]


def test_a_recording_depends_on_nothing_but_its_image_and_number(monkeypatch):
    everything = simulate(images(5), Camera(), Saccades(), Scene(), stream=Stream(4))
    fewer = simulate(images(5)[:2], Camera(), Saccades(), Scene(), stream=Stream(4))
    assert digest(fewer) == digest(everything[:2])
    monkeypatch.setattr(simulator, "_CHUNK", 2)
    chunked = simulate(images(5), Camera(), Saccades(), Scene(), stream=Stream(4))
    assert digest(chunked) == digest(everything)
    other = simulate(images(2), Camera(), Saccades(), Scene(), stream=Stream(5))
    assert digest(other) != digest(fewer)


def test_pinned_recordings():
    recordings = simulate(images(3), Camera(), Saccades(), Scene(), stream=Stream(0))
    assert [len(events) for events in recordings] == PINNED_LENGTHS
    assert digest(recordings) == PINNED_DIGEST


def test_the_log_table():
    table = log_table(16, 0.2)
    assert table.shape == (4097,)
    np.testing.assert_allclose(table / LOG_SCALE, np.log(819 + np.arange(4097)), atol=0.51 / 65536)
    # ln 819 = 6.70808408385..., by hand to twelve places.
    assert int(table[0]) == round(6.708084083853 * 65536)
    with pytest.raises(ValueError, match="read-only"):
        table[0] = 0


def test_the_path_of_the_gaze():
    path = Saccades(corners=((0.0, 0.0), (2.0, -4.0), (4.0, 0.0)), leg_us=100)
    assert path.duration_us == 300
    positions = path.positions(25)
    assert positions.shape == (13, 2)
    assert (positions[[0, 4, 8, 12]] / 256).tolist() == [[0, 0], [2, -4], [4, 0], [0, 0]]
    assert (positions[[2, 6, 10]] / 256).tolist() == [[1, -2], [3, -2], [2, 0]]


def test_the_default_path_takes_as_long_as_nmnist():
    assert Saccades().duration_us == 306_000


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Camera(width=0), "needs pixels"),
        (lambda: Camera(refractory_us=999), "must be at least step_us"),
        (lambda: Camera(threshold=0.1, mismatch=0.03), "threshold > 4 mismatch"),
        (lambda: Camera(noise_hz=-1.0), "noise_hz >= 0"),
        (lambda: Camera(dark=0.0), "dark must be in"),
        (lambda: Saccades(corners=((0.0, 0.0),)), "two corners"),
        (lambda: Scene(levels=256), "levels in"),
        (lambda: Scene(pixels=0.0), "pixels > 0"),
        (lambda: Scene(jitter=-1.0), "jitter >= 0"),
        (
            lambda: simulate(np.zeros((1, 2, 2)), QUIET, STILL, FIXED, stream=Stream(0)),
            "must be integers",
        ),
        (
            lambda: simulate(np.full((1, 2, 2), 17), QUIET, STILL, FIXED, stream=Stream(0)),
            r"0\.\.16, got 17\.\.17",
        ),
    ],
)
def test_impossible_cameras_paths_and_images_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


PINNED_LENGTHS = [1012, 861, 890]
PINNED_DIGEST = "2f806c4bd24b0c8363256afc876ff5d411a51900b50e1fe25af0823cc47fe0a3"
