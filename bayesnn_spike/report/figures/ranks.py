"""Rank histograms of simulation-based calibration, with what uniform ranks stay within.

Oracle: tests/report/figures/test_ranks.py (heights and bands equal the tables).
"""

from collections.abc import Mapping

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
