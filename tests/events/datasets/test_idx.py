import gzip
import struct

import numpy as np
import pytest

from bayesnn_spike.events.datasets.idx import read_idx
from bayesnn_spike.events.errors import EventFileError

ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
BYTES = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 3, 4) + ARRAY.tobytes()


def put(path, data):
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_it_reads_what_was_written(tmp_path, pack):
    np.testing.assert_array_equal(read_idx(put(tmp_path / "a", pack(BYTES)), axes=3), ARRAY)


@pytest.mark.parametrize("cut", range(len(BYTES)))
def test_a_file_cut_anywhere_is_refused(tmp_path, cut):
    path = put(tmp_path / "a", BYTES[:cut])
    with pytest.raises(EventFileError) as caught:
        read_idx(path, axes=3)
    assert caught.value.path == path
    assert caught.value.offset <= cut


def test_damage_is_refused_and_named(tmp_path):
    cases = [
        (bytes([0, 0, 9, 3]) + BYTES[4:], "header 00000903"),
        (bytes([0, 0, 8, 1]) + BYTES[4:], "header 00000801"),
        (BYTES + b"x", "1 bytes too many"),
        (gzip.compress(BYTES)[:-9], "damaged gzip"),
        (gzip.compress(BYTES)[:-8] + b"12345678", "damaged gzip"),
    ]
    for data, found in cases:
        with pytest.raises(EventFileError, match=found):
            read_idx(put(tmp_path / "a", data), axes=3)
