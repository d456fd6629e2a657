from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayesnn_spike.events import EventFileError
from bayesnn_spike.events.readers import (
    DVS_GESTURE,
    Advance,
    Cut,
    Sensor,
    Sort,
    Unwrap,
    read_atis,
    read_npz,
)
from tests.events.checks import damaged, listed, put, read_or_refused, refusal
from tests.events.formats import Event, atis_bytes, decode_atis, event_lists

EVENTS = [Event(0, 0, 33, 1), Event(300, 33, 0, 0), Event(300, 7, 9, 1), Event(70_000, 1, 2, 0)]


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("atis") / "a.bin"


@given(events=event_lists(last_us=2**23 - 1))
def test_what_was_written_is_read(file: Path, events: list[Event]) -> None:
    stream = read_atis(put(file, atis_bytes(events)))
    assert listed(stream) == events
    assert (stream.width, stream.height, stream.polarities) == (34, 34, 2)
    assert stream.duration_us == events[-1].t + 1


def test_a_cut_at_every_byte_is_refused_inside_an_event_and_shorter_between_two(file) -> None:
    raw = atis_bytes(EVENTS)
    for size in range(len(raw)):
        put(file, raw[:size])
        whole, rest = divmod(size, 5)
        if size and not rest:
            assert listed(read_atis(file)) == EVENTS[:whole]
            continue
        error = refusal(read_atis, file)
        assert error.offset == whole * 5
        assert error.found == (f"{rest} bytes at the end" if size else "an empty file")


def test_damage_at_every_byte_is_read_as_it_stands_or_refused(file) -> None:
    refused = 0
    for _, raw in damaged(atis_bytes(EVENTS)):
        stream = read_or_refused(read_atis, put(file, raw))
        plain = decode_atis(raw)
        times = [e.t for e in plain]
        assert (stream is not None) == (
            all(e.x < 34 and e.y < 34 for e in plain) and times == sorted(times)
        )
        assert stream is None or listed(stream) == plain
        refused += stream is None
    assert refused > 80


@pytest.mark.parametrize(("field", "value"), [("x", 34), ("x", 255), ("y", 34), ("y", 239)])
def test_an_event_off_the_sensor_is_refused_where_it_stands(file, field: str, value: int) -> None:
    events = [*EVENTS[:2], EVENTS[2]._replace(**{field: value}), EVENTS[3]]
    error = refusal(read_atis, put(file, atis_bytes(events)))
    assert error.offset == 10
    assert f"event 2 at x = {events[2].x}, y = {events[2].y}" in error.found
    assert "34x34" in error.expected
    big = Sensor(256, 240)
    assert listed(read_atis(file, sensor=big)) == events


def test_time_running_backwards_is_refused_where_it_happens(file) -> None:
    events = [EVENTS[0], EVENTS[3], EVENTS[1], EVENTS[2]]
    error = refusal(read_atis, put(file, atis_bytes(events)))
    assert error.offset == 10
    assert error.found == "event 2 at 300 us after one at 70000 us"
    assert "on_backwards=Sort()" in error.expected


def test_time_running_backwards_can_be_sorted_or_cut(file) -> None:
    events = [EVENTS[0], EVENTS[3], EVENTS[1], EVENTS[2]]
    put(file, atis_bytes(events))
    assert listed(read_atis(file, on_backwards=Sort())) == EVENTS
    assert listed(read_atis(file, on_backwards=Cut())) == events[:2]
    # No wrap: unwrapping does not excuse it.
    with pytest.raises(EventFileError, match="event 2 at 300 us"):
        read_atis(file, on_backwards=Unwrap(2**23))


def test_a_clock_that_wraps_can_be_unwrapped(file) -> None:
    true = [Event(t, 1, 1, 1) for t in (5, 2**23 - 1, 2**23, 2**23 + 5_000_000, 2**24 + 3)]
    put(file, atis_bytes([e._replace(t=e.t % 2**23) for e in true]))
    assert refusal(read_atis, file).offset == 10
    assert listed(read_atis(file, on_backwards=Unwrap(2**23))) == true


def test_overflow_marks_are_refused_unless_meant(file) -> None:
    marks = [EVENTS[0], Event(8_000, 5, 240, 0), Event(100, 3, 3, 1), Event(200, 0, 240, 1)]
    events = [*marks, Event(300, 4, 4, 0)]
    error = refusal(read_atis, put(file, atis_bytes(events)))
    assert error.offset == 5
    assert "2 events have y = 240" in error.expected
    assert "overflow=Advance()" in error.expected
    expected = [EVENTS[0], Event(8_292, 3, 3, 1), Event(16_684, 4, 4, 0)]
    assert listed(read_atis(file, overflow=Advance())) == expected
    assert listed(read_atis(file, overflow=Advance(1_000)))[-1].t == 2_300


def test_places_are_still_right_behind_a_mark(file) -> None:
    raw = atis_bytes([EVENTS[0], Event(8_000, 0, 240, 0), EVENTS[1], Event(400, 99, 0, 0)])
    error = refusal(lambda path: read_atis(path, overflow=Advance()), put(file, raw))
    assert error.offset == 15


def test_a_file_of_marks_alone_is_refused(file) -> None:
    put(file, atis_bytes([Event(8_000, 0, 240, 0)]))
    assert "marks only" in refusal(lambda path: read_atis(path, overflow=Advance()), file).found


def test_row_240_of_a_larger_sensor_is_a_pixel(file) -> None:
    put(file, atis_bytes([Event(1, 0, 240, 0)]))
    stream = read_atis(file, sensor=Sensor(256, 241), overflow=Advance())
    assert stream.y.tolist() == [240]


def test_a_missing_file_is_an_os_error(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.bin"):
        read_atis(tmp_path / "no.bin")


@given(raw=st.binary(max_size=40))
def test_any_bytes_are_read_as_they_stand_or_refused(file: Path, raw: bytes) -> None:
    stream = read_or_refused(read_atis, put(file, raw))
    assert stream is None or listed(stream) == decode_atis(raw)


def plainly(path: Path) -> np.ndarray:
    """The README's code, in plain numpy: `[events, (t, x, y, p)]`."""
    b = np.fromfile(path, dtype=np.uint8).reshape(-1, 5).astype(np.int64)
    t = ((b[:, 2] & 127) << 16) | (b[:, 3] << 8) | b[:, 4]
    return np.stack([t, b[:, 0], b[:, 1], b[:, 2] >> 7], axis=1)


@pytest.mark.parametrize(
    ("name", "events", "last_us", "sensor"),
    [
        ("sample_nmnist.bin", 4_325, 311_175, None),
        ("nmnist_train_1.bs2", 4_681, 305_924, None),
        ("nmnist_train_2.bs2", 5_028, 305_341, None),
        ("nmnist_train_3.bs2", 3_307, 306_195, None),
        ("dvsgesture_1.bs2", 63_471, 1_449_996, DVS_GESTURE),
    ],
)
def test_real_files(shared_data, name: str, events: int, last_us: int, sensor) -> None:
    path = shared_data / "format_samples" / name
    stream = read_atis(path, sensor=sensor) if sensor else read_atis(path)
    assert (len(stream), stream.duration_us) == (events, last_us + 1)
    columns = np.stack([stream.t_us, stream.x, stream.y, stream.p], axis=1)
    np.testing.assert_array_equal(columns, plainly(path))


@pytest.mark.parametrize(("name", "index"), [("1", 0), ("2", 1), ("3", 2)])
def test_the_same_recording_as_file_and_in_the_npz(shared_data, name: str, index: int) -> None:
    stream = read_atis(shared_data / "format_samples" / f"nmnist_train_{name}.bs2")
    assert read_npz(shared_data / "nmnist" / "nmnist_small.npz")[index].equals(stream)
