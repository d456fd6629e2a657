import pytest

from bayesnn_spike.events.readers import GESTURES, Sort, read_gesture, read_gesture_labels
from tests.events.checks import listed, put, refusal
from tests.events.formats import Event, aedat3_bytes, packet_bytes

TITLE = b"class,startTime_usec,endTime_usec\n"
TABLE = TITLE + b"1,100,200\n11,250,400\n"
EVENTS = [Event(t, t % 128, 3, t % 2) for t in (50, 100, 199, 200, 250, 399, 405)]
CLIPS = [[Event(0, 100, 3, 0), Event(99, 71, 3, 1)], [Event(0, 122, 3, 0), Event(149, 15, 3, 1)]]


@pytest.fixture
def recording(tmp_path):
    put(tmp_path / "user01_led_labels.csv", TABLE)
    return put(tmp_path / "user01_led.aedat", aedat3_bytes(packet_bytes(EVENTS)))


def test_a_recording_and_its_clips(recording) -> None:
    whole = read_gesture(recording)
    assert listed(whole.stream) == EVENTS
    assert [clip.label for clip in whole.clips] == [1, 11]
    assert [listed(clip.stream) for clip in whole.clips] == CLIPS
    assert [clip.stream.duration_us for clip in whole.clips] == [100, 150]


def test_the_table_may_lie_elsewhere(recording, tmp_path) -> None:
    table = put(tmp_path / "other.csv", TITLE + b"3,0,60\n")
    assert [clip.label for clip in read_gesture(recording, table).clips] == [3]


def test_a_recording_without_its_table_is_an_os_error(tmp_path) -> None:
    path = put(tmp_path / "a.aedat", aedat3_bytes(packet_bytes(EVENTS)))
    with pytest.raises(FileNotFoundError, match=r"a_labels\.csv"):
        read_gesture(path)


def test_the_policy_reaches_the_recording(recording) -> None:
    put(recording, aedat3_bytes(packet_bytes(EVENTS[::-1])))
    assert "backwards" in refusal(read_gesture, recording).expected
    assert listed(read_gesture(recording, on_backwards=Sort()).clips[0].stream) == CLIPS[0]


def test_a_recording_that_was_cut_between_packets_is_found_out(recording) -> None:
    put(recording, aedat3_bytes(packet_bytes(EVENTS[:5])))
    error = refusal(read_gesture, recording)
    assert error.found == "the last event at 250 us"
    assert "events up to 400 us, where user01_led_labels.csv ends gesture 11" in error.expected


def test_there_are_eleven_gestures() -> None:
    assert len(GESTURES) == 11
    assert (GESTURES[0], GESTURES[10]) == ("hand clapping", "other gestures")


@pytest.mark.parametrize("table", [TABLE, TABLE[:-1], TABLE.replace(b"\n", b"\r\n"), TABLE + b"\n"])
def test_tables_that_are_read(tmp_path, table: bytes) -> None:
    rows = read_gesture_labels(put(tmp_path / "l.csv", table))
    assert [(r.label, r.start_us, r.stop_us) for r in rows] == [(1, 100, 200), (11, 250, 400)]


@pytest.mark.parametrize(
    ("table", "offset", "expected"),
    [
        (b"", 0, "the line class,startTime_usec,endTime_usec"),
        (b"1,100,200\n", 0, "the line class,startTime_usec,endTime_usec"),
        (b"class;startTime_usec;endTime_usec\n1,1,2\n", 0, "the line class"),
        (TITLE, 34, "at least one gesture"),
        (TITLE + b"1,100\n", 34, "three whole numbers"),
        (TITLE + b"1,100,200,3\n", 34, "three whole numbers"),
        (TITLE + b"1,100,2e2\n", 34, "three whole numbers"),
        (TITLE + b"1,-100,200\n", 34, "three whole numbers"),
        (TITLE + b"1,100," + b"9" * 19, 34, "three whole numbers"),
        (TITLE + b"0,100,200\n", 34, "a class from 1 to 11"),
        (TITLE + b"1,100,200\n12,200,300\n", 44, "a class from 1 to 11"),
        (TITLE + b"1,200,200\n", 34, "an end after the start"),
        (TITLE + b"1,200,100\n", 34, "an end after the start"),
        (TITLE + b"1,100,200\n2,199,300\n", 44, "a start from 200 us on"),
    ],
)
def test_tables_that_are_refused(tmp_path, table: bytes, offset: int, expected: str) -> None:
    error = refusal(read_gesture_labels, put(tmp_path / "l.csv", table))
    assert error.offset == offset
    assert expected in error.expected


def test_a_table_cut_at_every_byte_is_refused_or_loses_whole_lines(tmp_path) -> None:
    """A cut inside the last number leaves a smaller one, which lies before the start."""
    ends = {len(TITLE) + 9: 1, len(TITLE) + 10: 1, len(TABLE) - 1: 2}
    for size in range(len(TABLE)):
        path = put(tmp_path / "l.csv", TABLE[:size])
        if size in ends:
            assert len(read_gesture_labels(path)) == ends[size]
        else:
            refusal(read_gesture_labels, path)
