from pathlib import Path

import h5py
import numpy as np
import pytest

from bayesnn_spike.events import EventError, EventFileError
from bayesnn_spike.events.readers import COCHLEA, Cut, Sort, read_shd
from tests.events.checks import explained, put, refusal
from tests.events.formats import write_shd

TIMES = [[0.0, 0.0625, 0.5], [], [0.25, 0.25]]
UNITS = [[0, 699, 5], [], [7, 3]]
LABELS = [1, 0, 1]


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "shd.h5"


def test_what_was_written_is_read(path) -> None:
    recordings = read_shd(write_shd(path, TIMES, UNITS, LABELS))
    assert [s.t_us.tolist() for s in recordings] == [[0, 62_500, 500_000], [], [250_000, 250_000]]
    assert [s.x.tolist() for s in recordings] == UNITS
    assert recordings.labels.tolist() == LABELS
    assert recordings.fields["speaker"].tolist() == [0, 1, 2]
    assert recordings.fields["keys"].tolist() == ["zero", "one"]
    stream = recordings[0]
    assert (stream.width, stream.height, stream.polarities) == (700, 1, 1)
    assert stream.y.tolist() == stream.p.tolist() == [0, 0, 0]
    assert recordings.sensor == COCHLEA


def test_float16_seconds_become_microseconds_without_overflow(path) -> None:
    """In float16, 1.2 s times 1e6 is infinite."""
    recordings = read_shd(write_shd(path, [[1.2]], [[0]], [0]))
    assert recordings[0].t_us.tolist() == [round(float(np.float16(1.2)) * 1e6)] == [1_200_195]
    recordings = read_shd(write_shd(path, [[1.2]], [[0]], [0], time_dtype=np.float64))
    assert recordings[0].t_us.tolist() == [1_200_000]


def test_some_of_the_recordings(path) -> None:
    recordings = read_shd(write_shd(path, TIMES, UNITS, LABELS), indices=[0, 2])
    assert [s.x.tolist() for s in recordings] == [UNITS[0], UNITS[2]]
    assert recordings.labels.tolist() == [1, 1]
    assert recordings.fields["speaker"].tolist() == [0, 2]
    assert len(read_shd(path, indices=[])) == 0
    for indices in ([3], [-1], [2, 0], [1, 1]):
        with pytest.raises(EventError, match=r"ascend and lie in \[0, 3\)"):
            read_shd(path, indices=indices)


def test_places_are_those_of_the_file(path) -> None:
    write_shd(path, TIMES, [UNITS[0], [], [7, 700]], LABELS)
    error = refusal(lambda p: read_shd(p, indices=[1, 2]), path)
    assert (error.offset, error.found) == ("spikes/units[2][1]", "channel 700")


@pytest.mark.parametrize("key", ["spikes/times", "spikes/units", "labels"])
def test_a_missing_array_is_refused_by_name(path, key: str) -> None:
    error = refusal(read_shd, write_shd(path, TIMES, UNITS, LABELS, leave_out=key))
    assert error.offset == f"key {key!r}"


@pytest.mark.parametrize(
    ("changes", "offset", "found"),
    [
        ({"times": TIMES[:2]}, "key 'spikes/times'", "shape (2,)"),
        ({"units": [*UNITS, []]}, "key 'spikes/units'", "shape (4,)"),
        ({"units": [[0, 699], [], [7, 3]]}, "spikes/units[0]", "2 channels"),
        ({"units": [[0, 699, 5], [], [7, 65_535]]}, "spikes/units[2][1]", "channel 65535"),
        ({"units": [[0, -1, 5], [], [7, 3]], "unit_dtype": np.int32}, "spikes/units[0][1]", "-1"),
        ({"unit_dtype": np.float32}, "spikes/units[0]", "float32"),
        ({"time_dtype": np.int32}, "spikes/times[0]", "int32"),
        ({"times": [[0.5, 0.25, 1], [], [0, 0]]}, "spikes/times[0][1]", "event 1 at 250000 us"),
        ({"times": [[0, 0, np.nan], [], [0, 0]]}, "spikes/times[0][2]", "nan s"),
        ({"times": [[0, 0, 0], [], [-0.5, 0]]}, "spikes/times[2][0]", "-0.5 s"),
        ({"times": [[0, 0, 0], [], [0, np.inf]]}, "spikes/times[2][1]", "inf s"),
        ({"times": [[0, 0, 0], [], [0, 4000]]}, "spikes/times[2][1]", "4000.0 s"),
    ],
)
def test_a_wrong_value_is_refused_where_it_stands(path, changes, offset: str, found: str) -> None:
    arguments = {"times": TIMES, "units": UNITS, "labels": LABELS} | changes
    error = refusal(read_shd, write_shd(path, **arguments))
    assert error.offset == offset
    assert found in error.found


def test_labels_and_speakers_are_checked(path) -> None:
    write_shd(path, TIMES, UNITS, LABELS)
    with h5py.File(path, "a") as file:
        del file["extra/speaker"]
        file["extra/speaker"] = np.arange(2)
    assert refusal(read_shd, path).offset == "key 'extra/speaker'"
    with h5py.File(path, "a") as file:
        del file["extra"], file["labels"]
        file["labels"] = np.array([0.5, 1, 2])
    assert refusal(read_shd, path).offset == "key 'labels'"
    with h5py.File(path, "a") as file:
        del file["labels"]
        file.create_group("labels")
    assert refusal(read_shd, path).offset == "key 'labels'"


def test_the_extras_may_be_missing(path) -> None:
    write_shd(path, TIMES, UNITS, LABELS)
    with h5py.File(path, "a") as file:
        del file["extra"]
    assert read_shd(path).fields == {}


def test_arrays_that_are_not_ragged_are_refused(path) -> None:
    with h5py.File(path, "w") as file:
        file["spikes/times"], file["spikes/units"] = np.zeros(3), np.zeros(3, dtype=int)
        file["labels"] = np.zeros(3, dtype=int)
    assert refusal(read_shd, path).offset == "spikes/times[0]"


def test_time_running_backwards_can_be_sorted_or_cut(path) -> None:
    write_shd(path, [[0.5, 0.25, 1]], [[1, 2, 3]], [0])
    assert read_shd(path, on_backwards=Sort())[0].x.tolist() == [2, 1, 3]
    assert read_shd(path, on_backwards=Cut())[0].x.tolist() == [1]


def test_other_files_are_refused(path) -> None:
    for raw in (b"", b"\x89HDF\r\n", b"PK\x03\x04"):
        error = refusal(read_shd, put(path, raw))
        assert error.offset == 0
        assert "the start of an HDF5 file" in error.expected


def test_a_cut_anywhere_is_refused_or_loses_nothing(path) -> None:
    raw = write_shd(path, TIMES, UNITS, LABELS).read_bytes()
    refused = 0
    for size in range(0, len(raw), 13):
        try:
            recordings = read_shd(put(path, raw[:size]))
        except EventFileError as error:
            explained(error, path)
            refused += 1
            continue
        assert [s.x.tolist() for s in recordings] == UNITS
    assert refused == len(range(0, len(raw), 13))
