from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayesnn_spike.events.readers import Cut, Drop, Sort, Unwrap, read_aedat2
from tests.events.checks import damaged, listed, put, read_or_refused, refusal
from tests.events.formats import AEDAT2_HEADER, Event, aedat2_bytes, event_lists

EVENTS = [Event(0, 0, 127, 1), Event(300, 127, 0, 0), Event(300, 7, 9, 1), Event(70_000, 1, 2, 0)]
START = len(AEDAT2_HEADER)


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("aedat2") / "a.aedat"


def plainly(raw: bytes) -> list[Event]:
    """The events behind the comment lines, times from the first, by the README's code."""
    body = raw
    while body.startswith(b"#"):
        body = body[body.index(b"\n") + 1 :]
    words = np.frombuffer(body, ">u4").reshape(-1, 2).astype(np.int64)
    a, t = words[:, 0], words[:, 1]
    columns = (t - t[0], a >> 1 & 127, a >> 8 & 127, 1 - (a & 1))
    return [Event(*row) for row in zip(*(c.tolist() for c in columns), strict=True)]


@given(events=event_lists(side=128), start=st.integers(0, 2**32 - 300_001))
def test_what_was_written_is_read_from_the_first_event_on(file, events, start) -> None:
    stream = read_aedat2(put(file, aedat2_bytes(events, start_us=start)))
    assert listed(stream) == [e._replace(t=e.t - events[0].t) for e in events]
    assert (stream.width, stream.height, stream.polarities) == (128, 128, 2)


def test_on_is_the_polarity_bit_zero(file) -> None:
    on = AEDAT2_HEADER + bytes([0, 0, 0, 0]) + bytes(4)
    off = AEDAT2_HEADER + bytes([0, 0, 0, 1]) + bytes(4)
    assert read_aedat2(put(file, on)).p.tolist() == [1]
    assert read_aedat2(put(file, off)).p.tolist() == [0]


def test_a_cut_at_every_byte_is_refused_or_shorter(file) -> None:
    raw = aedat2_bytes(EVENTS)
    for size in range(len(raw)):
        put(file, raw[:size])
        whole, rest = divmod(size - START, 8)
        if size > START and not rest:
            assert listed(read_aedat2(file)) == EVENTS[:whole]
            continue
        error = refusal(read_aedat2, file)
        if size >= START:
            assert error.offset == START + whole * 8


def test_damage_at_every_byte_is_read_as_it_stands_or_refused(file) -> None:
    refused = 0
    for at, raw in damaged(aedat2_bytes(EVENTS), START):
        stream = read_or_refused(read_aedat2, put(file, raw))
        refused += stream is None
        if stream is not None:
            # No damage to the text moves the events.
            assert listed(stream) == (plainly(raw) if at >= START else EVENTS)
    assert refused > 500


@pytest.mark.parametrize(
    ("header", "offset", "expected"),
    [
        (b"", 0, "#!AER-DAT2.0"),
        (b"#!AER-DAT1.0\r\n", 0, "#!AER-DAT2.0"),
        (b"#!AER-DAT3.1\r\n", 0, "#!AER-DAT2.0"),
        (b"#!AER-DAT2.01\r\n", 0, "#!AER-DAT2.0"),
        (b"#!AER-DAT2.0\r\n# AEChip: eu.seebetter.ini.chips.davis.Davis346red\r\n", 14, "a DVS128"),
        (
            b"#!AER-DAT2.0\r\n# AEChip: ch.unizh.ini.jaer.chip.retina.DVS1280\xff\r\n",
            14,
            "a DVS128",
        ),
        (b"#!AER-DAT2.0\n# Timestamps tick is 10 us\n", 13, "timestamps of 1 us"),
        (b"#!AER-DAT2.0\n# Data format is int16 address, int32 timestamp\n", 13, "int32 address"),
    ],
)
def test_an_unknown_header_is_refused(file, header: bytes, offset: int, expected: str) -> None:
    error = refusal(read_aedat2, put(file, aedat2_bytes(EVENTS, header)))
    assert error.offset == offset
    assert expected in error.expected


@pytest.mark.parametrize(
    "header",
    [
        b"#!AER-DAT2.0\n",
        b"#!AER-DAT2.0\r\n# AEChip: ch.unizh.ini.jaer.chip.retina.DVS128\r\n",
        b"#!AER-DAT2.0\r\n# AEChip: Tmpdiff128\r\n# Timestamps tick: 1 us\r\n",
        b"#!AER-DAT2.0\r\n# User name: Jos\xe9\r\n#End Of ASCII Header\r\n",
    ],
)
def test_headers_of_the_dvs128_are_read(file, header: bytes) -> None:
    assert listed(read_aedat2(put(file, aedat2_bytes(EVENTS, header)))) == EVENTS


def test_a_lost_newline_swallows_no_event(file) -> None:
    error = refusal(read_aedat2, put(file, aedat2_bytes(EVENTS, AEDAT2_HEADER[:-1])))
    assert error.offset == START - 1
    assert "0x00 in a comment line" in error.found


@pytest.mark.parametrize(("bit", "special"), [(15, True), (31, True), (16, False), (30, False)])
def test_other_addresses_are_refused_where_they_stand(file, bit: int, special: bool) -> None:
    raw = bytearray(aedat2_bytes(EVENTS))
    raw[START + 8 + 3 - bit // 8] |= 1 << bit % 8
    error = refusal(read_aedat2, put(file, bytes(raw)))
    assert error.offset == START + 8
    assert f"event 1 with address 0x{254 + 1 + (1 << bit):08x}" in error.found
    assert ("special" in error.found) == special
    if special:
        dropped = listed(read_aedat2(file, on_special=Drop()))
        assert dropped == [EVENTS[0], *EVENTS[2:]]
    else:
        refusal(lambda path: read_aedat2(path, on_special=Drop()), file)


def test_special_events_alone_are_refused(file) -> None:
    put(file, AEDAT2_HEADER + bytes([0, 0, 0x80, 0]) + bytes(4))
    error = refusal(lambda path: read_aedat2(path, on_special=Drop()), file)
    assert error.found == "special events only"


def test_time_running_backwards(file) -> None:
    events = [EVENTS[1], EVENTS[3], EVENTS[0], EVENTS[2]]
    error = refusal(read_aedat2, put(file, aedat2_bytes(events)))
    assert error.offset == START + 16
    assert error.found == "event 2 at 0 us after one at 70000 us"
    assert listed(read_aedat2(file, on_backwards=Sort())) == EVENTS
    cut = [EVENTS[1]._replace(t=0), EVENTS[3]._replace(t=69_700)]
    assert listed(read_aedat2(file, on_backwards=Cut())) == cut


def test_a_counter_that_wraps_can_be_unwrapped(file) -> None:
    events = [e._replace(t=(2**32 - 200 + e.t) % 2**32) for e in EVENTS]
    assert refusal(read_aedat2, put(file, aedat2_bytes(events))).offset == START + 8
    assert listed(read_aedat2(file, on_backwards=Unwrap(2**32))) == EVENTS


@given(raw=st.binary(max_size=48))
def test_any_bytes_behind_the_header_are_read_as_they_stand_or_refused(file, raw: bytes) -> None:
    stream = read_or_refused(read_aedat2, put(file, AEDAT2_HEADER + raw))
    assert stream is None or listed(stream) == plainly(AEDAT2_HEADER + raw)


def test_the_real_recording(shared_data) -> None:
    path = shared_data / "format_samples" / "dvs128_mech_pencil_sessionA.aedat"
    stream = read_aedat2(path)
    assert len(stream) == 126_164
    assert stream.duration_us == 3_818_152_388 - 3_799_644_735 + 1
    assert listed(stream) == plainly(path.read_bytes())
    assert stream.t_us[0] == 0
    # The first event has the address 0x2cad.
    assert (stream.x[0], stream.y[0], stream.p[0]) == (0x56, 0x2C, 0)


def test_the_real_header_of_another_chip_is_refused(shared_data) -> None:
    error = refusal(read_aedat2, shared_data / "format_samples" / "sample_aedat_header.aedat")
    assert "Davis346red" in error.found
    assert error.offset == 321
