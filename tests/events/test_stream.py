import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayesnn_spike.events import EventError, EventFileError, EventStream
from tests.events.checks import listed, make
from tests.events.formats import Event, event_lists

THREE = [Event(0, 1, 2, 0), Event(5, 3, 4, 1), Event(5, 33, 33, 1)]


def test_fields_have_the_documented_dtypes_and_values() -> None:
    stream = make(THREE)
    dtypes = [a.dtype for a in (stream.t_us, stream.x, stream.y, stream.p)]
    assert dtypes == [np.int64, np.int32, np.int32, np.uint8]
    assert listed(stream) == THREE
    assert (stream.width, stream.height, stream.polarities) == (34, 34, 2)
    assert stream.duration_us == 6
    assert len(stream) == 3
    assert repr(stream) == "EventStream(3 events, 34x34, 2 polarities, 0.006 ms)"


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.int64, np.uint64, ">u4"])
def test_any_integer_dtype_is_taken(dtype) -> None:
    columns = [np.array([e[i] for e in THREE], dtype=dtype) for i in range(4)]
    assert EventStream(*columns, width=34, height=34).equals(make(THREE))


def test_the_arrays_are_copies_and_read_only() -> None:
    t = np.array([1, 2], dtype=np.int64)
    zeros = np.zeros(2, dtype=np.int32)
    stream = EventStream(t, zeros, zeros, zeros.astype(np.uint8), 4, 4)
    t[0] = 2
    assert stream.t_us.tolist() == [1, 2]
    for name in ("t_us", "x", "y", "p"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(stream, name)[0] = 1
    with pytest.raises(AttributeError):
        stream.width = 5


@pytest.mark.parametrize(
    "again", [copy.deepcopy, copy.copy, lambda s: pickle.loads(pickle.dumps(s))]
)
def test_copies_and_pickles_are_equal_and_read_only(again) -> None:
    stream = make(THREE, duration_us=9)
    other = again(stream)
    assert other.equals(stream)
    assert not other.x.flags.writeable


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": [1, 34, 3]}, r"event 1 has x = 34, outside \[0, 34\)"),
        ({"x": [1, 2, -3]}, "event 2 has x = -3"),
        ({"y": [2**40, 2, 3]}, "event 0 has y = 1099511627776"),
        ({"p": [0, 1, 2]}, r"event 2 has p = 2, outside \[0, 2\)"),
        ({"p": [0, 1, 256]}, "event 2 has p = 256"),
        ({"t_us": [-1, 0, 0]}, "event 0 has t_us = -1"),
        ({"t_us": [0, 5, 4]}, "time runs backwards at event 2: 5 us, then 4"),
        ({"t_us": [0, 5]}, "the arrays must have one length"),
        ({"x": [0.0, 1.0, 2.0]}, "x must be a one-dimensional integer numpy array, got float64"),
        ({"x": [[1, 2, 3]]}, r"got int64 of shape \(1, 3\)"),
        ({"p": [True, False, True]}, "p must be a one-dimensional integer"),
    ],
)
def test_bad_arrays_are_refused_by_name(changes: dict, message: str) -> None:
    good = {name: [e[i] for e in THREE] for i, name in enumerate(("t_us", "x", "y", "p"))}
    arrays = {name: np.array(values) for name, values in (good | changes).items()}
    with pytest.raises(EventError, match=message):
        EventStream(**arrays, width=34, height=34)


def test_unsigned_times_that_run_backwards_are_seen() -> None:
    """The difference of unsigned integers wraps to a large positive number."""
    t = np.array([5, 4], dtype=np.uint32)
    zeros = np.zeros(2, dtype=np.uint8)
    with pytest.raises(EventError, match="backwards at event 1"):
        EventStream(t, zeros, zeros, zeros, 4, 4)


def test_a_list_is_refused() -> None:
    with pytest.raises(EventError, match=r"t_us must be .* got a list"):
        EventStream([1], [1], [1], [1], 4, 4)


@pytest.mark.parametrize("name", ["width", "height", "polarities"])
@pytest.mark.parametrize("value", [0, -1, 1.0, True, None])
def test_bad_sizes_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(EventError, match=name):
        make(THREE[:1], **{name: value})


def test_more_polarities_than_a_byte_holds_are_refused() -> None:
    with pytest.raises(EventError, match="at most 256"):
        make(THREE, polarities=257)


def test_one_polarity_means_that_p_is_zero() -> None:
    assert make(THREE[:1], polarities=1).polarities == 1
    with pytest.raises(EventError, match="event 1 has p = 1"):
        make(THREE, polarities=1)


def test_the_duration_holds_every_event() -> None:
    assert make(THREE, duration_us=6).duration_us == 6
    assert make(THREE, duration_us=100).duration_us == 100
    with pytest.raises(EventError, match="event 2 is at 5 us, but the recording lasts only 5 us"):
        make(THREE, duration_us=5)
    for bad in (-1, 6.0, True):
        with pytest.raises(EventError, match="duration_us"):
            make(THREE, duration_us=bad)


def test_an_empty_stream_needs_a_duration() -> None:
    with pytest.raises(EventError, match="give duration_us"):
        make([])
    assert make([], duration_us=10).duration_us == 10
    assert len(make([], duration_us=10)) == 0


def test_a_slice_is_half_open_and_starts_at_zero() -> None:
    stream = make([Event(t, 0, 0, 0) for t in (0, 10, 10, 19, 20, 25)], duration_us=30)
    part = stream.slice_time(10, 20)
    assert part.t_us.tolist() == [0, 0, 9]
    assert part.duration_us == 10
    assert len(stream.slice_time(11, 12)) == 0
    assert stream.slice_time(0, 30).equals(stream)


@pytest.mark.parametrize("window", [(0, 0), (5, 4), (0, 31), (-1, 5), (0.0, 5), (30, 31)])
def test_a_window_outside_the_recording_is_refused(window: tuple) -> None:
    stream = make(THREE, duration_us=30)
    with pytest.raises(EventError):
        stream.slice_time(*window)


@given(event_lists(last_us=50), st.integers(1, 49))
def test_two_slices_hold_every_event_once(events: list[Event], cut: int) -> None:
    stream = make(events, duration_us=51)
    first, second = stream.slice_time(0, cut), stream.slice_time(cut, 51)
    assert first.duration_us + second.duration_us == 51
    again = [e._replace(t=e.t + cut) for e in listed(second)]
    assert listed(first) + again == events


@given(event_lists())
def test_a_stream_is_what_it_was_made_of(events: list[Event]) -> None:
    assert listed(make(events)) == events


def test_equality_looks_at_everything() -> None:
    stream = make(THREE, duration_us=9)
    assert stream.equals(make(THREE, duration_us=9))
    others = [
        make(THREE[:2], duration_us=9),
        make(THREE, duration_us=10),
        make(THREE, duration_us=9, width=35),
        make(THREE, duration_us=9, height=35),
        make(THREE, duration_us=9, polarities=3),
        *(
            make([*THREE[:2], THREE[2]._replace(**change)], duration_us=9)
            for change in ({"t": 6}, {"x": 0}, {"y": 0}, {"p": 0})
        ),
    ]
    assert [stream.equals(other) for other in others] == [False] * len(others)


def test_a_file_error_names_everything_and_can_be_pickled() -> None:
    error = EventFileError("a/b.bin", 15, "2 bytes", "5 bytes")
    assert str(error) == f"{error.path}: at byte 15: found 2 bytes, expected 5 bytes"
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), vars(again)) == (str(error), vars(error))
    assert "at key 'x', index 3: " in str(EventFileError("a.npz", "key 'x', index 3", "1", "2"))
