"""PNG files, written whole, and nothing of pyplot touched."""

import struct
import subprocess
import sys

import matplotlib as mpl
import pytest

from bayesnn_spike.report.figures import png_bytes, save_png
from bayesnn_spike.report.figures.style import CYCLE, MARKERS, new_figure, styled, wrapped


def _figure():
    figure = new_figure(2.0, 1.0)
    figure.subplots().plot([0, 1], [0, 1])
    return figure


def test_a_png_has_150_dots_per_inch():
    data = png_bytes(_figure())
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert data[-8:-4] == b"IEND"
    assert struct.unpack(">II", data[16:24]) == (300, 150)
    start = data.index(b"pHYs") + 4
    assert round(struct.unpack(">I", data[start : start + 4])[0] * 0.0254) == 150


def test_fewer_colours_keep_size_and_resolution_in_fewer_bytes():
    def picture():
        figure = new_figure(2.0, 1.0)
        figure.subplots().imshow([[x * y for x in range(40)] for y in range(20)])
        return figure

    data = png_bytes(picture(), colours=32)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (300, 150)
    start = data.index(b"pHYs") + 4
    assert round(struct.unpack(">I", data[start : start + 4])[0] * 0.0254) == 150
    colours = struct.unpack(">I", data[data.index(b"PLTE") - 4 : data.index(b"PLTE")])[0] // 3
    assert colours <= 32
    assert len(data) < len(png_bytes(picture()))
    assert data == png_bytes(picture(), colours=32)


def test_equal_pictures_are_equal_files(tmp_path):
    save_png(_figure(), tmp_path / "a" / "one.png")
    save_png(_figure(), tmp_path / "a" / "two.png")
    first, second = sorted((tmp_path / "a").iterdir())
    assert first.read_bytes() == second.read_bytes()


def test_the_callers_settings_come_back():
    before = dict(mpl.rcParams)

    @styled
    def fail():
        assert mpl.rcParams["axes.titlelocation"] == "left"
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail()
    assert dict(mpl.rcParams) == before


def test_pyplot_is_never_imported():
    code = (
        "import sys, bayesnn_spike.report.figures as f, numpy as np\n"
        "f.png_bytes(f.uncertainty_histograms({'a': (np.ones(3), np.ones(3, bool))}))\n"
        "assert 'matplotlib.figure' in sys.modules\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_colours_and_markers_differ():
    assert len(set(CYCLE)) == len(CYCLE) == len(set(MARKERS))


def test_long_titles_are_broken():
    assert wrapped("bayes_bisnn (committee)") == "bayes_bisnn (committee)"
    assert wrapped("bayes_bisnn (committee) scaled on calib") == (
        "bayes_bisnn (committee) scaled\non calib"
    )
