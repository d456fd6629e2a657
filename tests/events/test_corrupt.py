import numpy as np
import pytest

from bayesnn_spike.events import EventStream
from bayesnn_spike.events.corrupt import (
    BackgroundActivity,
    EventDrop,
    HotPixels,
    PolarityFlip,
    SpatialShift,
    TimeJitter,
)
from bayesnn_spike.rng import Stream

KINDS = (HotPixels, EventDrop, PolarityFlip, TimeJitter, SpatialShift, BackgroundActivity)
N = 20_000


@pytest.fixture(scope="module")
def events():
    random = np.random.Generator(np.random.Philox(key=9))
    return EventStream(
        np.sort(random.integers(0, 1_000_000, N)),
        random.integers(0, 50, N),
        random.integers(0, 40, N),
        random.integers(0, 2, N),
        width=50,
        height=40,
        duration_us=1_000_000,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_severity_zero_changes_nothing(events, kind, stream):
    assert kind(0)(events, stream).equals(events)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("severity", range(1, 6))
def test_it_is_pure_and_the_stream_decides(events, kind, severity, stream):
    before = events.t_us.copy()
    first, again = kind(severity)(events, stream), kind(severity)(events, stream)
    assert first.equals(again)
    assert not first.equals(events)
    np.testing.assert_array_equal(events.t_us, before)
    assert (first.width, first.height, first.duration_us) == (50, 40, 1_000_000)
    # Eight directions make a shift meet itself at times; elsewhere another stream is another draw.
    others = [kind(severity)(events, stream.child(i)) for i in range(8)]
    assert not all(other.equals(first) for other in others)


def within(count, n, share):
    return abs(count - n * share) < 4.5 * (n * share * (1 - share)) ** 0.5 + 1e-9


@pytest.mark.parametrize(("severity", "share"), [(1, 0.1), (2, 0.25), (3, 0.4), (4, 0.6), (5, 0.8)])
def test_drop_takes_its_share(events, stream, severity, share):
    left = EventDrop(severity)(events, stream)
    assert within(N - len(left), N, share)
    # What is left is a subsequence: every left event is one of the old ones.
    old = set(zip(events.t_us.tolist(), events.x.tolist(), events.y.tolist(), strict=True))
    assert set(zip(left.t_us.tolist(), left.x.tolist(), left.y.tolist(), strict=True)) <= old


@pytest.mark.parametrize(
    ("severity", "share"), [(1, 0.05), (2, 0.1), (3, 0.2), (4, 0.35), (5, 0.5)]
)
def test_flip_turns_its_share(events, stream, severity, share):
    flipped = PolarityFlip(severity)(events, stream)
    assert within(int((flipped.p != events.p).sum()), N, share)
    for name in ("t_us", "x", "y"):
        np.testing.assert_array_equal(getattr(flipped, name), getattr(events, name))


@pytest.mark.parametrize(("severity", "milliseconds"), [(1, 2), (2, 5), (3, 10), (4, 20), (5, 40)])
def test_jitter_has_its_standard_deviation(stream, severity, milliseconds):
    # Events of one time in the middle of a long recording, so that nothing is clipped or mixed up.
    middle = np.full(N, 500_000)
    still = EventStream(middle, *np.zeros((3, N), int), width=1, height=1, duration_us=1_000_000)
    moved = TimeJitter(severity)(still, stream).t_us - 500_000
    assert abs(moved.std() / (1000 * milliseconds) - 1) < 4.5 / (2 * N) ** 0.5
    assert abs(moved.mean()) < 4.5 * 1000 * milliseconds / N**0.5


def test_jitter_keeps_pixels_and_stays_in_the_recording(events, stream):
    moved = TimeJitter(5)(events, stream)
    assert len(moved) == N
    assert (np.diff(moved.t_us) >= 0).all()
    cells = [np.sort(100 * e.y + 2 * e.x + e.p) for e in (moved, events)]
    np.testing.assert_array_equal(*cells)


@pytest.mark.parametrize(("severity", "pixels"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 6)])
def test_shift_is_one_of_eight(events, severity, pixels):
    seen = set()
    for seed in range(40):
        moved = SpatialShift(severity)(events, Stream(seed))
        options = []
        for dx in (-pixels, 0, pixels):
            for dy in (-pixels, 0, pixels):
                x, y = events.x + dx, events.y + dy
                kept = (x >= 0) & (x < 50) & (y >= 0) & (y < 40)
                if np.array_equal(moved.x, x[kept]) and np.array_equal(moved.y, y[kept]):
                    options.append((dx, dy))
        assert len(options) == 1
        seen.add(options[0])
    assert (0, 0) not in seen
    assert len(seen) >= 6


@pytest.mark.parametrize(
    ("severity", "rate_hz"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 5.0), (5, 10.0)]
)
def test_background_has_its_rate(events, stream, severity, rate_hz):
    noisy = BackgroundActivity(severity)(events, stream)
    expected = rate_hz * 2000
    assert abs(len(noisy) - N - expected) < 4.5 * expected**0.5


@pytest.mark.parametrize(("severity", "hot"), [(1, 4), (2, 10), (3, 20), (4, 40), (5, 100)])
def test_hot_pixels_are_few_and_fast(stream, severity, hot):
    empty = EventStream(*np.zeros((4, 0), int), width=50, height=40, duration_us=1_000_000)
    noisy = HotPixels(severity)(empty, stream)
    counts = np.bincount(50 * noisy.y + noisy.x, minlength=2000)
    assert int((counts > 0).sum()) == hot
    assert counts[counts > 0].min() > 1000 - 4.5 * 32
    assert counts.max() < 1000 + 4.5 * 32
    polarity = np.bincount(2 * (50 * noisy.y + noisy.x) + noisy.p, minlength=4000).reshape(-1, 2)
    assert (polarity.min(axis=1) == 0).all()


def test_added_events_come_after_those_of_the_same_time():
    one = EventStream(*np.zeros((4, 1), int), width=1, height=1, duration_us=1)
    noisy = HotPixels(5)(one, Stream(0))
    assert len(noisy) >= 1
    assert noisy.t_us.tolist() == [0] * len(noisy)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("severity", [-1, 6, 2.5, True, "3"])
def test_unknown_severities_are_refused(kind, severity):
    with pytest.raises(ValueError, match="severity must be a whole number from 0 to 5"):
        kind(severity)


def test_a_flip_needs_two_polarities(stream):
    sound = EventStream(*np.zeros((4, 3), int), width=1, height=1, polarities=1)
    with pytest.raises(ValueError, match="a flip needs two polarities, the sensor has 1"):
        PolarityFlip(1)(sound, stream)
