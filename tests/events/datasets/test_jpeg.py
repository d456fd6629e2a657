import builtins

import numpy as np
import pytest
from PIL import Image

from bayesnn_spike.events.datasets._jpeg import decode
from bayesnn_spike.events.datasets.dataset import DataSetError
from bayesnn_spike.events.errors import EventFileError
from tests.events.image_files import jpeg


def test_a_flat_image_comes_back(tmp_path):
    image = np.full((16, 24, 3), (200, 100, 50), np.uint8)
    found = np.asarray(decode(jpeg(image), tmp_path))
    assert found.shape == (16, 24, 3)
    assert np.abs(found.astype(int) - image).max() <= 2


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_colours_become_rgb(tmp_path, mode):
    """ImageNet has some files of grey and of CMYK."""
    path = tmp_path / "a.JPEG"
    Image.new(mode, (9, 7), 128 if mode == "L" else (0, 0, 0, 127)).save(path, "JPEG")
    found = np.asarray(decode(path.read_bytes(), path))
    assert found.shape == (7, 9, 3)
    assert np.abs(found.astype(int) - 128).max() <= 2


def test_damage_is_refused_and_named(tmp_path):
    whole = jpeg(np.zeros((32, 32, 3), np.uint8))
    for data in (whole[:-40], whole[:20], b"", b"GIF89a" + whole):
        with pytest.raises(EventFileError, match="damaged JPEG") as caught:
            decode(data, tmp_path / "a.JPEG", 17)
        assert (caught.value.path, caught.value.offset) == (tmp_path / "a.JPEG", 17)


def test_a_missing_pillow_names_the_extra(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "PIL":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataSetError, match=r"pip install 'bayesnn_spike\[images\]'"):
        decode(b"", tmp_path)
