from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayesnn_spike.events.readers import Cut, Sensor, Sort, read_aedat3
from tests.events.checks import damaged, listed, put, read_or_refused, refusal
from tests.events.formats import (
    AEDAT3_HEADER,
    Event,
    aedat3_bytes,
    decode_aedat3,
    event_lists,
    packet_bytes,
    special_packet,
)

FIRST = [Event(10, 0, 127, 1), Event(300, 127, 0, 0)]
SECOND = [Event(300, 7, 9, 1), Event(70_000, 1, 2, 0), Event(70_001, 1, 2, 1)]
SOUND = aedat3_bytes(
    special_packet(1), packet_bytes(FIRST), special_packet(2), packet_bytes(SECOND)
)
START = len(AEDAT3_HEADER)
ONE, TWO = START + 36, START + 36 + 44 + 36
"""Where the two polarity packets start."""


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("aedat3") / "a.aedat"


@given(lists=st.lists(event_lists(side=128, longest=5), min_size=1, max_size=4))
def test_what_was_written_is_read_across_packets(file, lists: list[list[Event]]) -> None:
    start, packets, expected = 0, [], []
    for events in lists:
        moved = [e._replace(t=e.t + start) for e in events]
        start = moved[-1].t
        packets += [special_packet(start), packet_bytes(moved)]
        expected += moved
    stream = read_aedat3(put(file, aedat3_bytes(*packets)))
    assert listed(stream) == expected
    assert (stream.width, stream.height, stream.polarities) == (128, 128, 2)


def test_the_clock_goes_on_after_an_overflow(file) -> None:
    packets = (
        packet_bytes([Event(2**31 - 1, 1, 1, 1)]),
        packet_bytes([Event(3, 2, 2, 0)], overflow=1),
    )
    stream = read_aedat3(put(file, aedat3_bytes(*packets)))
    assert stream.t_us.tolist() == [2**31 - 1, 2**31 + 3]


def test_invalid_events_are_left_out(file) -> None:
    raw = aedat3_bytes(packet_bytes(FIRST), packet_bytes(SECOND, invalid=(1,)))
    assert listed(read_aedat3(put(file, raw))) == [*FIRST, SECOND[0], SECOND[2]]
    raw = aedat3_bytes(packet_bytes(FIRST, invalid=(0, 1)))
    assert refusal(read_aedat3, put(file, raw)).found == "invalid events only"


def test_places_are_still_right_behind_an_invalid_event(file) -> None:
    wrong = [SECOND[0], SECOND[1], SECOND[2]._replace(x=128)]
    raw = aedat3_bytes(packet_bytes(FIRST), packet_bytes(wrong, invalid=(1,)))
    assert refusal(read_aedat3, put(file, raw)).offset == START + 44 + 28 + 16


def test_other_packets_are_stepped_over_and_empty_ones_are_fine(file) -> None:
    frame = packet_bytes(SECOND, kind=2, time_at=0)
    raw = aedat3_bytes(packet_bytes([]), frame, packet_bytes(FIRST), frame, packet_bytes([]))
    assert listed(read_aedat3(put(file, raw))) == FIRST


def test_a_cut_at_every_byte_is_refused_or_ends_between_packets(file) -> None:
    whole = {ONE + 44: FIRST, TWO: FIRST, len(SOUND): FIRST + SECOND}
    for size in range(len(SOUND) + 1):
        put(file, SOUND[:size])
        if size in whole:
            assert listed(read_aedat3(file)) == whole[size]
        else:
            assert refusal(read_aedat3, file).offset <= size


def test_damage_at_every_byte_is_read_as_it_stands_or_refused(file) -> None:
    refused = 0
    for at, raw in damaged(SOUND, START):
        stream = read_or_refused(read_aedat3, put(file, raw))
        refused += stream is None
        if stream is not None:
            assert listed(stream) == (decode_aedat3(raw) if at >= START else FIRST + SECOND)
    assert refused > 1_500


@pytest.mark.parametrize(
    ("fields", "at", "found", "expected"),
    [
        ({"kind": 14}, 0, "packet type 14", "0 to 13"),
        ({"kind": -1}, 0, "packet type -1", "0 to 13"),
        ({"size": 12}, 4, "packet event size 12", "8"),
        ({"time_at": 0}, 8, "packet time offset 0", "4"),
        ({"overflow": -1}, 12, "packet time overflow -1", "0 to 1"),
        ({"overflow": 2}, 12, "packet time overflow 2", "0 to 1"),
        ({"capacity": 4}, 16, "packet capacity 4", "3"),
        ({"number": -1}, 20, "packet number -1", "0 to 2147483647"),
        ({"number": 2}, 16, "packet capacity 3", "2"),
        ({"valid": 4}, 24, "packet valid 4", "0 to 3"),
        ({"valid": -1}, 24, "packet valid -1", "0 to 3"),
        ({"valid": 2}, 24, "valid 2", "3, the valid events"),
        ({"source": 2}, 2, "source 2", "source 1 only"),
        ({"kind": 3, "size": 0}, 4, "packet event size 0", "1 to 2147483647"),
        ({"kind": 3, "time_at": 8}, 8, "packet time offset 8", "0 to 7"),
        ({"capacity": 9, "number": 9}, 28, "24 bytes", "9 events of 8 bytes"),
    ],
)
def test_a_packet_that_contradicts_itself_is_refused(file, fields, at, found, expected) -> None:
    raw = aedat3_bytes(packet_bytes(FIRST), packet_bytes(SECOND, **fields))
    error = refusal(read_aedat3, put(file, raw))
    assert (error.offset, error.found, error.expected) == (START + 44 + at, found, expected)


@pytest.mark.parametrize("field", ["x", "y"])
@pytest.mark.parametrize("value", [128, 2**15 - 1])
def test_an_event_off_the_sensor_is_refused_where_it_stands(file, field: str, value: int) -> None:
    wrong = [SECOND[0], SECOND[1]._replace(**{field: value}), SECOND[2]]
    raw = aedat3_bytes(packet_bytes(FIRST), packet_bytes(wrong))
    assert refusal(read_aedat3, put(file, raw)).offset == START + 44 + 28 + 8
    assert listed(read_aedat3(file, sensor=Sensor(2**15, 2**15))) == FIRST + wrong


def test_a_negative_time_is_refused_where_it_stands(file) -> None:
    raw = aedat3_bytes(packet_bytes(FIRST), packet_bytes([SECOND[0]._replace(t=-5)]))
    error = refusal(read_aedat3, put(file, raw))
    assert error.offset == START + 44 + 28 + 4
    assert error.found == "time 0xfffffffb"


def test_time_running_backwards_between_packets(file) -> None:
    raw = aedat3_bytes(packet_bytes(SECOND), packet_bytes(FIRST))
    error = refusal(read_aedat3, put(file, raw))
    assert error.offset == START + 28 + 24 + 28
    assert error.found == "event 3 at 10 us after one at 70001 us"
    both = sorted(SECOND + FIRST, key=lambda e: e.t)
    assert listed(read_aedat3(file, on_backwards=Sort())) == both
    assert listed(read_aedat3(file, on_backwards=Cut())) == SECOND


def test_a_clock_that_is_reset_is_the_callers_decision(file) -> None:
    late = packet_bytes([Event(5, 1, 1, 1)], overflow=1)
    raw = aedat3_bytes(packet_bytes(FIRST), late, packet_bytes(SECOND))
    assert "backwards" in refusal(read_aedat3, put(file, raw)).expected
    assert len(read_aedat3(file, on_backwards=Cut())) == 3


@pytest.mark.parametrize(
    ("header", "offset", "expected"),
    [
        (b"", 0, "#!AER-DAT3.1"),
        (b"#!AER-DAT3.0\r\n#!END-HEADER\r\n", 0, "#!AER-DAT3.1"),
        (b"#!AER-DAT2.0\r\n#!END-HEADER\r\n", 0, "#!AER-DAT3.1"),
        (b"#!AER-DAT3.1\r\n#Format: RAW\r\n", 28, "#!END-HEADER"),
        (b"#!AER-DAT3.1\r\n#Format: PNG\r\n#!END-HEADER\r\n", 14, "#Format: RAW"),
        (b"#!AER-DAT3.1\r\n#!END-HEADER", 26, "text"),
    ],
)
def test_an_unknown_header_is_refused(file, header: bytes, offset: int, expected: str) -> None:
    raw = aedat3_bytes(packet_bytes(FIRST), header=header)
    error = refusal(read_aedat3, put(file, raw))
    assert error.offset == offset
    assert expected in error.expected


def test_a_file_without_polarity_packets_is_refused(file) -> None:
    for raw in (aedat3_bytes(), aedat3_bytes(special_packet(3))):
        error = refusal(read_aedat3, put(file, raw))
        assert (error.offset, error.expected) == (len(raw), "a packet of polarity events")


@given(raw=st.binary(max_size=80))
def test_any_bytes_behind_the_header_are_refused_or_sound(file, raw: bytes) -> None:
    stream = read_or_refused(read_aedat3, put(file, aedat3_bytes(packet_bytes(FIRST), raw)))
    assert stream is None or listed(stream) == decode_aedat3(file.read_bytes())
