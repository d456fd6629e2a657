"""Rank histograms are the tables' counts, with the tables' bands."""

import numpy as np
import pytest

from bayesnn_spike.calibration.uniform_ranks import (
    cumulative_band,
    cumulative_counts,
    histogram_band,
    rank_histogram,
    uniformity,
)
from bayesnn_spike.report.figures import png_bytes
from bayesnn_spike.report.figures.ranks import rank_grid, rank_histograms
from bayesnn_spike.report.figures.style import BLUE, GREY, VERMILION
from bayesnn_spike.rng import Stream

STREAM = Stream(1)
EVEN = STREAM.child("even").numpy().integers(0, 32, 200)
NARROW = (STREAM.child("narrow").numpy().beta(0.4, 0.4, 200) * 32).astype(int)
PANELS = {"even": (EVEN, 31), "narrow": (NARROW, 31)}


def test_bars_and_bands_are_those_of_the_tables():
    figure = rank_histograms(PANELS, stream=STREAM, bins=8)
    uppers, lowers = figure.axes[:2], figure.axes[2:]
    for axes, (ranks, draws) in zip(uppers, PANELS.values(), strict=True):
        (bars,) = axes.containers
        heights = [bar.get_height() for bar in bars]
        assert heights == rank_histogram(ranks, draws, 8).tolist()
        assert axes.get_ylim()[0] == 0
        assert axes.get_ylim()[1] > max(heights)
        assert (bars[0].get_x(), bars[7].get_x() + bars[7].get_width()) == (-0.5, 31.5)
        band = histogram_band(200, 8)
        span = axes.patches[0]
        assert span.get_y() == band.low[0]
        assert span.get_y() + span.get_height() == band.high[0]
    for axes, (title, (ranks, draws)) in zip(lowers, PANELS.items(), strict=True):
        line = axes.lines[0]
        band = cumulative_band(200, draws, stream=STREAM.child(title, "band"))
        expected = (cumulative_counts(ranks, draws) - band.expected) / 200
        np.testing.assert_allclose(line.get_ydata(), expected)
        edges = axes.collections[0].get_paths()[0].vertices[:, 1]
        assert edges.min() == pytest.approx(((band.low - band.expected) / 200).min())
        assert edges.max() == pytest.approx(((band.high - band.expected) / 200).max())


def test_what_leaves_the_band_is_red_and_the_title_has_the_p_value():
    figure = rank_histograms(PANELS, stream=STREAM, bins=8)
    even, narrow = figure.axes[2:]
    assert even.lines[0].get_color() == BLUE
    assert narrow.lines[0].get_color() == VERMILION
    p = uniformity(EVEN, 31, stream=STREAM.child("even", "test"))
    assert figure.axes[0].get_title(loc="left") == f"even\np = {p:.2g}"
    assert png_bytes(figure)[:4] == b"\x89PNG"


def test_a_grid_has_a_row_a_posterior_and_one_scale():
    rows = {"one": {"a": EVEN, "b": NARROW}, "two": {"a": NARROW, "b": EVEN}}
    figure = rank_grid(rows, draws=31, stream=STREAM)
    cells = [(title, name, ranks) for title, row in rows.items() for name, ranks in row.items()]
    for axes, (title, name, ranks) in zip(figure.axes, cells, strict=True):
        (bars,) = axes.containers
        assert [bar.get_height() for bar in bars] == rank_histogram(ranks, 31, 8).tolist()
        p = uniformity(ranks, 31, stream=STREAM.child(title, name))
        (text,) = axes.texts
        assert text.get_text() == ("p < 0.001" if p < 0.001 else f"p = {p:.2g}")
        assert text.get_color() == (VERMILION if p < 0.025 else GREY)
        span, band = axes.patches[0], histogram_band(200, 8, level=0.975)
        assert (span.get_y(), span.get_y() + span.get_height()) == (band.low[0], band.high[0])
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert figure.axes[0].get_ylim()[0] == 0
    assert [axes.get_title() for axes in figure.axes[:2]] == ["a", "b"]
    assert [axes.get_ylabel() for axes in figure.axes] == ["one", "", "two", ""]


def test_wrong_grids_are_refused():
    for rows in ({}, {"one": {}}, {"one": {"a": EVEN}, "two": {"b": EVEN}}):
        with pytest.raises(ValueError, match="the same statistics in every row"):
            rank_grid(rows, draws=31, stream=STREAM)


def test_wrong_panels_are_refused():
    with pytest.raises(ValueError, match="at least one panel"):
        rank_histograms({}, stream=STREAM)
    with pytest.raises(ValueError, match="do not fall into 16 bins"):
        rank_histograms({"a": (EVEN, 32)}, stream=STREAM)
