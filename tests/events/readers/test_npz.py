import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayesnn_spike.events import EventFileError
from bayesnn_spike.events.readers import DVS_GESTURE, Sensor, read_npz
from tests.events.checks import damaged, explained, listed, put, refusal
from tests.events.formats import Event, arrays_of, event_lists, write_npz

RECORDINGS = [
    [Event(5, 0, 33, 1), Event(90, 33, 0, 0)],
    [],
    [Event(3, 1, 2, 1), Event(3, 1, 2, 0), Event(8, 4, 4, 1)],
]
SOUND = arrays_of(RECORDINGS, [7, 0, 9])


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("npz") / "a.npz"


@given(lists=st.lists(event_lists(longest=4), max_size=5))
def test_what_was_written_is_read(file: Path, lists: list[list[Event]]) -> None:
    labels = list(range(len(lists)))
    recordings = read_npz(write_npz(file, arrays_of(lists, labels)))
    assert [listed(stream) for stream in recordings] == lists
    assert recordings.labels.tolist() == labels
    assert len(recordings) == len(lists)


def test_recordings_are_reached_by_number_from_either_end(file) -> None:
    recordings = read_npz(write_npz(file, SOUND | {"split": np.array([0, 0, 1])}))
    assert [listed(recordings[i]) for i in (0, 1, 2)] == RECORDINGS
    assert recordings[-1].equals(recordings[2])
    assert recordings[0].duration_us == 91
    assert (len(recordings[1]), recordings[1].duration_us) == (0, 1)
    for index in (3, -4):
        with pytest.raises(IndexError, match="has 3 recordings"):
            recordings[index]
    assert recordings.fields["split"].tolist() == [0, 0, 1]
    assert recordings.labels.dtype == np.int64
    assert repr(recordings) == "Recordings(a.npz: 3 recordings, 5 events, 34x34, labelled)"
    for array in (recordings.x, recordings.t_us, recordings.labels, recordings.fields["split"]):
        assert not array.flags.writeable


def test_labels_may_be_missing(file) -> None:
    arrays = {name: array for name, array in SOUND.items() if name != "labels"}
    recordings = read_npz(write_npz(file, arrays))
    assert recordings.labels is None
    assert "no labels" in repr(recordings)


def test_time_may_fall_from_one_recording_to_the_next(file) -> None:
    recordings = read_npz(write_npz(file, SOUND))
    assert recordings.t_us.tolist() == [5, 90, 3, 3, 8]


@pytest.mark.parametrize("name", ["x", "y", "p", "t", "offsets"])
def test_a_missing_array_is_refused_by_name(file, name: str) -> None:
    write_npz(file, {key: array for key, array in SOUND.items() if key != name})
    assert refusal(read_npz, file).offset == f"key {name!r}"


@pytest.mark.parametrize("name", ["x", "y", "p", "t", "offsets", "labels"])
@pytest.mark.parametrize("kind", ["float", "matrix", "short"])
def test_an_array_of_the_wrong_kind_is_refused_by_name(file, name: str, kind: str) -> None:
    array = SOUND[name]
    wrong = {"float": array.astype(np.float32), "matrix": array[None], "short": array[:-1]}[kind]
    error = refusal(read_npz, write_npz(file, SOUND | {name: wrong}))
    if (name, kind) == ("offsets", "short"):
        assert error.offset == "key 'offsets', index 2"
    elif (name, kind) == ("x", "short"):
        assert error.offset == "key 'y'"
    else:
        assert error.offset == f"key {name!r}"


@pytest.mark.parametrize(
    ("name", "index", "value", "offset"),
    [
        ("x", 1, 34, "key 'x', index 1 (recording 0)"),
        ("y", 2, 255, "key 'y', index 2 (recording 2)"),
        ("p", 4, 2, "key 'p', index 4 (recording 2)"),
        ("t", 0, 91, "key 't', index 1 (recording 0)"),
        ("t", 4, 2, "key 't', index 4 (recording 2)"),
        ("offsets", 0, 1, "key 'offsets', index 0"),
        ("offsets", 1, 3, "key 'offsets', index 2"),
        ("offsets", 3, 4, "key 'offsets', index 3"),
        ("offsets", 3, 6, "key 'offsets', index 3"),
    ],
)
def test_a_wrong_value_is_refused_where_it_stands(file, name, index, value, offset) -> None:
    array = SOUND[name].copy()
    array[index] = value
    assert refusal(read_npz, write_npz(file, SOUND | {name: array})).offset == offset


@pytest.mark.parametrize("name", ["x", "y", "p", "t"])
def test_a_negative_value_is_refused_where_it_stands(file, name: str) -> None:
    array = SOUND[name].astype(np.int16)
    array[2] = -1
    error = refusal(read_npz, write_npz(file, SOUND | {name: array}))
    assert error.offset == f"key {name!r}, index 2 (recording 2)"
    assert "-1" in error.found


def test_another_sensor_is_given_by_name(file) -> None:
    write_npz(file, SOUND | {"x": np.array([0, 127, 1, 1, 1], dtype=np.uint8)})
    assert "give sensor=..." in refusal(read_npz, file).expected
    assert read_npz(file, sensor=DVS_GESTURE)[0].x.tolist() == [0, 127]


def test_no_offsets_at_all_are_refused(file) -> None:
    write_npz(file, SOUND | {"offsets": np.zeros(0, dtype=np.int64)})
    assert refusal(read_npz, file).offset == "key 'offsets', index 0"


def test_pickled_arrays_are_refused_and_not_run(file) -> None:
    write_npz(file, SOUND | {"extra": np.array([{"a": 1}], dtype=object)})
    error = refusal(read_npz, file)
    assert error.offset == "key 'extra'"
    assert "allow_pickle" in error.found


def test_other_files_are_refused(file) -> None:
    for raw in (b"", b"PK\x05\x06" + bytes(18), pickle.dumps([1]), b"\x93NUMPY"):
        error = refusal(read_npz, put(file, raw))
        assert error.offset == 0
        assert "the start of an npz" in error.expected


@pytest.mark.parametrize(("name", "found"), [("read.me", "no array"), ("x.npy", "twice")])
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")  # this test makes one on purpose
def test_a_zip_with_something_else_in_it_is_refused(file, name: str, found: str) -> None:
    write_npz(file, SOUND)
    member = io.BytesIO()
    np.save(member, SOUND["x"])
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(name, member.getvalue())
    assert found in refusal(read_npz, file).found


def test_an_entry_that_swallows_the_next_is_found_out(file, sound_file) -> None:
    """The comment of the offsets, by its length, covers the entry of the labels."""
    raw = bytearray(sound_file.read_bytes())
    entry = raw.rindex(b"PK\x01\x02", 0, raw.rindex(b"PK\x01\x02"))
    raw[entry + 32 : entry + 34] = (raw.rindex(b"PK\x05\x06") - entry - 57).to_bytes(2, "little")
    assert "5 arrays in a list of 6" in refusal(read_npz, put(file, bytes(raw))).found


def test_bytes_behind_an_array_are_refused(file) -> None:
    member = io.BytesIO()
    np.save(member, SOUND["x"])
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", member.getvalue() + b"\0")
    assert "after the end of the array" in refusal(read_npz, file).found


@pytest.fixture(scope="module")
def sound_file(tmp_path_factory) -> Path:
    return write_npz(tmp_path_factory.mktemp("sound") / "a.npz", SOUND)


def test_a_cut_at_every_byte_is_refused(file, sound_file) -> None:
    raw = sound_file.read_bytes()
    for size in range(len(raw)):
        assert refusal(read_npz, put(file, raw[:size])).path == file


def test_damage_at_every_byte_changes_no_event_or_is_refused(file, sound_file) -> None:
    """Checksums cover the arrays; damage elsewhere may be harmless (a date) but changes nothing."""
    whole = sound_file.read_bytes()
    refused = 0
    for at, raw in damaged(whole):
        # Every seventh byte: an archive is long, and its members are built alike.
        if at % 7:
            continue
        try:
            recordings = read_npz(put(file, raw))
        except EventFileError as error:
            explained(error, file)
            refused += 1
            continue
        assert [listed(stream) for stream in recordings] == RECORDINGS
        assert recordings.labels.tolist() == [7, 0, 9]
    assert refused > 500


def test_the_real_small_set(shared_data) -> None:
    recordings = read_npz(shared_data / "nmnist" / "nmnist_small.npz")
    assert (len(recordings), len(recordings.x)) == (1_100, 4_518_827)
    assert np.bincount(recordings.labels, minlength=10).sum() == 1_100
    assert recordings.labels[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
    assert np.bincount(recordings.fields["split"]).tolist() == [1_000, 100]
    assert sorted(recordings.fields) == ["mnist_index", "split"]
    first = recordings[0]
    assert (len(first), first.duration_us) == (4_681, 305_925)
    assert listed(first)[0] == Event(893, 18, 16, 1)
    for index in range(0, 1_100, 100):
        assert 280_000 < recordings[index].duration_us < 330_000


def test_the_real_gestures_need_their_sensor(shared_data) -> None:
    path = shared_data / "dvs_gesture10" / "dvs_gesture10.npz"
    assert refusal(read_npz, path).offset == "key 'x', index 0 (recording 0)"
    recordings = read_npz(path, sensor=DVS_GESTURE)
    assert recordings.labels.tolist() == list(range(1, 11))
    assert (len(recordings), len(recordings.x)) == (10, 1_206_710)
    assert recordings.sensor == Sensor(128, 128)
