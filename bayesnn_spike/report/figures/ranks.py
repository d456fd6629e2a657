"""Rank histograms of simulation-based calibration, with what uniform ranks stay within.

Oracle: tests/report/figures/test_ranks.py (heights and bands equal the tables).
"""

from collections.abc import Mapping
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayesnn_spike.calibration.inputs import Array
from bayesnn_spike.calibration.uniform_ranks import (
    cumulative_band,
    cumulative_counts,
    histogram_band,
    rank_histogram,
    uniformity,
)
from bayesnn_spike.report.figures.style import (
    BLUE,
    GREY,
    PALE,
    VERMILION,
    grid_lines,
    new_figure,
    styled,
    wrapped,
)
from bayesnn_spike.rng import Stream


@styled
def rank_histograms(
    panels: Mapping[str, tuple[Array, int]],
    *,
    stream: Stream,
    bins: int = 16,
    level: float = 0.95,
) -> Figure:
    """Draw, for each statistic or posterior, its ranks above and their cumulative share below.

    Grey is what uniform ranks stay within, everywhere at once; what leaves it is red. The lower
    row shows the share of ranks up to r minus the expected share. A valley above, and a line that
    first rises and then falls below, say that the posterior is too narrow.

    Args:
        panels: title -> (ranks `[S]`, L), at least one.
        stream: simulates the uniform ranks behind the lower band and the p-value.
        bins: of the histograms; L + 1 must be a multiple.
        level: of both bands.

    Raises:
        ValueError: no panel, or ranks that do not fit L or the bins.
    """
    if not panels:
        raise ValueError("need at least one panel")
    figure = new_figure(0.6 + 2.6 * len(panels), 4.2)
    axes = figure.subplots(2, len(panels), squeeze=False, sharey="row")
    for (title, (ranks, draws)), (upper, lower) in zip(panels.items(), axes.T, strict=True):
        here = stream.child(title)
        p = uniformity(ranks, draws, stream=here.child("test"))
        upper.set_title(f"{wrapped(title)}\np = {p:.2g}")
        _histogram(upper, ranks, draws, bins, level)
        _difference(lower, ranks, draws, level, here.child("band"))
    axes[0, 0].set_ylim(bottom=0)  # last: it ends the scaling that all panels share
    axes[0, 0].set_ylabel("Simulations in bin")
    axes[1, 0].set_ylabel("Cumulative share\nminus expected")
    return figure


@styled
def rank_grid(
    rows: Mapping[str, Mapping[str, Array]],
    *,
    draws: int,
    stream: Stream,
    bins: int = 8,
    level: float = 0.95,
) -> Figure:
    """Draw many rank histograms: a row for each posterior, a column for each statistic.

    Bars and bands are those of `rank_histograms`, on one scale. The bands hold for a whole row at
    once, and a p-value is red where it says no to its row: below (1 - level) / columns.

    Args:
        rows: posterior -> statistic -> ranks `[S]`; all rows have the same statistics.
        draws: L.
        stream: its child (posterior, statistic) simulates the uniform ranks behind a p-value.
        bins: of the histograms; L + 1 must be a multiple.
        level: of the bands of one row together.

    Raises:
        ValueError: no panel, rows of other statistics, or ranks that do not fit L or the bins.
    """
    names = list(next(iter(rows.values()), {}))
    if not names or any(list(row) != names for row in rows.values()):
        raise ValueError("need at least one panel, and the same statistics in every row")
    share = (1 - level) / len(names)
    figure = new_figure(1.3 + 1.7 * len(names), 0.7 + 0.9 * len(rows))
    axes = figure.subplots(len(rows), len(names), squeeze=False, sharex=True, sharey=True)
    for line, (title, row) in zip(axes, rows.items(), strict=True):
        line[0].set_ylabel(fill(title, 16), rotation=0, ha="right", va="center", labelpad=10)
        for panel, (name, ranks) in zip(line, row.items(), strict=True):
            _histogram(panel, ranks, draws, bins, 1 - share)
            p = uniformity(ranks, draws, stream=stream.child(title, name))
            panel.text(
                *(0.5, 0.97, "p < 0.001" if p < 0.001 else f"p = {p:.2g}"),
                transform=panel.transAxes,
                color=VERMILION if p < share else GREY,
                ha="center",
                va="top",
                size=8,
            )
    for panel, name in zip(axes[0], names, strict=True):
        panel.set_title(fill(name, 18), loc="center", size=9)
    axes[0, 0].set_ylim(bottom=0)
    figure.supxlabel(f"Rank of the truth among {draws} draws", size=9)
    return figure


def _histogram(axes: Axes, ranks: Array, draws: int, bins: int, level: float) -> None:
    counts = rank_histogram(ranks, draws, bins)
    band = histogram_band(int(counts.sum()), bins, level=level)
    edges = np.linspace(0, draws + 1, bins + 1) - 0.5
    outside = (counts < band.low) | (counts > band.high)
    axes.axhspan(band.low[0], band.high[0], color=PALE, label=band.definition)
    axes.axhline(band.expected[0], color=GREY, linewidth=0.8)
    colors = np.where(outside, VERMILION, BLUE)
    axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=colors, alpha=0.7)
    axes.set_xlim(edges[0], edges[-1])
    grid_lines(axes, "y")


def _difference(axes: Axes, ranks: Array, draws: int, level: float, stream: Stream) -> None:
    counts = cumulative_counts(ranks, draws)
    total = len(ranks)
    band = cumulative_band(total, draws, stream=stream, level=level)
    places = np.arange(draws)
    low, high = ((edge - band.expected) / total for edge in (band.low, band.high))
    axes.fill_between(places, low, high, color=PALE, linewidth=0, label=band.definition)
    found = (counts - band.expected) / total
    outside = bool(((counts < band.low) | (counts > band.high)).any())
    axes.plot(places, found, color=VERMILION if outside else BLUE, linewidth=1.4)
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_xlim(-0.5, draws + 0.5)
    axes.set_xlabel(f"Rank among {draws} draws")
    grid_lines(axes, "y")
