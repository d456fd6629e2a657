import pickle
from pathlib import Path

import pytest

from bayesnn_spike.events import EventError, EventFileError, EventStream
from bayesnn_spike.events.readers import (
    DVS128,
    DVS_GESTURE,
    FORMATS,
    NMNIST,
    Recordings,
    Sort,
    detect,
    iterate,
    read,
    scan,
)
from tests.events.checks import listed, put, refusal
from tests.events.formats import (
    Event,
    aedat2_bytes,
    aedat3_bytes,
    arrays_of,
    atis_bytes,
    packet_bytes,
    write_npz,
    write_shd,
)

EVENTS = [Event(0, 1, 2, 1), Event(9, 3, 4, 0)]


def write_all(folder: Path) -> list[Path]:
    """One file of each format and extension."""
    return [
        put(folder / "a.bin", atis_bytes(EVENTS)),
        put(folder / "b.BS2", atis_bytes(EVENTS)),
        put(folder / "c.aedat", aedat2_bytes(EVENTS)),
        put(folder / "d.aedat", aedat3_bytes(packet_bytes(EVENTS))),
        write_npz(folder / "e.npz", arrays_of([EVENTS, EVENTS], [1, 2])),
        write_shd(folder / "f.h5", [[0.5]], [[3]], [1]),
        write_shd(folder / "g.hdf5", [[0.5]], [[3]], [1]),
    ]


def test_each_format_is_known_by_extension_and_header(tmp_path) -> None:
    names = [detect(path).name for path in write_all(tmp_path)]
    assert names == [FORMATS[i].name for i in (0, 0, 1, 2, 4, 3, 3)]
    for path in write_all(tmp_path)[:4]:
        assert listed(read(path)) == EVENTS
    for path in write_all(tmp_path)[4:]:
        assert isinstance(read(str(path)), Recordings)


@pytest.mark.parametrize(
    ("name", "raw", "seen"),
    [
        ("a.dat", b"% Data file", "extension '.dat' and first bytes b'% Data file'"),
        ("a", atis_bytes(EVENTS), "extension ''"),
        ("a.aedat", b"#!AER-DAT4.0\r\n", "b'#!AER-DAT4.0'"),
        ("a.aedat", atis_bytes(EVENTS), "extension '.aedat'"),
        ("a.bin", aedat2_bytes(EVENTS), "(AEDAT 2.0 of the DVS128)"),
        ("a.npz", aedat3_bytes(), "(AEDAT 3.1)"),
        ("a.h5", b"PK\x03\x04", "(npz of recordings)"),
        ("a.npz", b"", "first bytes b''"),
    ],
)
def test_an_unknown_file_is_refused_with_what_was_seen(tmp_path, name, raw, seen: str) -> None:
    error = refusal(read, put(tmp_path / name, raw))
    assert error.offset == 0
    assert seen in error.found


def test_a_refusal_names_the_formats_that_would_do(tmp_path) -> None:
    expected = refusal(read, put(tmp_path / "a.dat", b"x")).expected
    assert all(extension in expected for known in FORMATS for extension in known.extensions)
    expected = refusal(read, put(tmp_path / "a.aedat", b"x")).expected
    assert ("#!AER-DAT2.0" in expected, ".npz" in expected) == (True, False)


def test_sensor_and_policy_reach_the_reader(tmp_path) -> None:
    path = put(tmp_path / "a.bin", atis_bytes([EVENTS[1]._replace(x=99), EVENTS[0]]))
    stream = read(path, sensor=DVS_GESTURE, on_backwards=Sort())
    assert (stream.width, stream.x.tolist()) == (128, [1, 99])
    path = write_npz(tmp_path / "a.npz", arrays_of([EVENTS], [1]))
    assert read(path, sensor=DVS128).sensor == DVS128


def test_a_format_bound_to_a_sensor_refuses_another(tmp_path) -> None:
    path = put(tmp_path / "a.aedat", aedat2_bytes(EVENTS))
    assert listed(read(path, sensor=DVS128)) == EVENTS
    with pytest.raises(EventError, match="is 128x128, not 34x34"):
        read(path, sensor=NMNIST)


def test_a_folder_is_listed_with_labels_from_its_subfolders(tmp_path) -> None:
    for name in ("Train/7/00002.bin", "Train/0/00001.bin", "Train/.7/x.bin", "__MACOSX/0/x.bin"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        put(tmp_path / name, atis_bytes(EVENTS))
    put(tmp_path / "Train/._x.bin", b"resource fork")
    put(tmp_path / "Train/readme.txt", b"not a recording")
    entries = scan(tmp_path / "Train")
    assert [(e.path.name, e.label) for e in entries] == [("00001.bin", "0"), ("00002.bin", "7")]
    assert [listed(entry.read()) for entry in entries] == [EVENTS, EVENTS]
    assert [(e.path.name, e.label) for e in scan(tmp_path / "Train/7")] == [("00002.bin", None)]
    again = pickle.loads(pickle.dumps(entries))
    assert again == entries


def test_a_folder_without_recordings_is_refused(tmp_path) -> None:
    with pytest.raises(EventError, match="no recording under"):
        scan(tmp_path)
    with pytest.raises(EventError, match="is not a folder"):
        scan(tmp_path / "nowhere")


def test_a_damaged_file_in_a_folder_is_not_passed_over(tmp_path) -> None:
    write_all(tmp_path)
    put(tmp_path / "z.aedat", b"#!AER-DAT4.0\r\n")
    with pytest.raises(EventFileError, match=r"z\.aedat"):
        scan(tmp_path)


def test_iterating_yields_every_recording_of_every_file(tmp_path) -> None:
    write_all(tmp_path)
    found = [(r.name.removeprefix(str(tmp_path))[1:], r.label) for r in iterate(tmp_path)]
    assert found == [
        *(("a.bin", None), ("b.BS2", None), ("c.aedat", None), ("d.aedat", None)),
        *(("e.npz[0]", "1"), ("e.npz[1]", "2"), ("f.h5[0]", "1"), ("g.hdf5[0]", "1")),
    ]
    assert all(isinstance(r.stream, EventStream) for r in iterate(tmp_path))


def test_iterating_over_one_file(tmp_path) -> None:
    path = put(tmp_path / "a.bin", atis_bytes(EVENTS))
    (recording,) = iterate(path)
    assert (recording.name, recording.label) == (str(path), None)
    assert listed(recording.stream) == EVENTS


def test_iterating_over_gestures_yields_the_clips(tmp_path) -> None:
    path = put(tmp_path / "u.aedat", aedat3_bytes(packet_bytes(EVENTS)))
    put(tmp_path / "u_labels.csv", b"class,startTime_usec,endTime_usec\n3,0,5\n8,5,10\n")
    clips = list(iterate(path))
    assert [(clip.name, clip.label) for clip in clips] == [(f"{path}[0]", "3"), (f"{path}[1]", "8")]
    assert [listed(clip.stream) for clip in clips] == [EVENTS[:1], [Event(4, 3, 4, 0)]]


def test_unlabelled_files_of_many_recordings_take_the_folders_label(tmp_path) -> None:
    arrays = arrays_of([EVENTS], [1])
    del arrays["labels"]
    (tmp_path / "5").mkdir()
    write_npz(tmp_path / "5" / "a.npz", arrays)
    assert [recording.label for recording in iterate(tmp_path)] == ["5"]


def test_the_real_samples(shared_data) -> None:
    folder = shared_data / "format_samples"
    assert len(read(folder / "sample_nmnist.bin")) == 4_325
    assert len(read(folder / "dvs128_mech_pencil_sessionA.aedat")) == 126_164
    assert "(" not in refusal(read, folder / "sample.aedat4").found
    error = refusal(read, folder / "dvsgesture_1.bs2")
    assert "give sensor=..." in error.expected
    for unknown in ("sample_ncars.dat", "sample_stmnist.mat", "NTIDIGITS_1.bs1"):
        assert refusal(read, folder / unknown).offset == 0
