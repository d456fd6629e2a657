"""Histograms of an uncertainty, of the right answers against the wrong ones.

Oracle: tests/report/figures/test_uncertainty.py (heights equal numpy's histogram).
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bayesnn_spike.calibration.inputs import Array, as_numpy
from bayesnn_spike.report.figures.style import (
    BLUE,
    VERMILION,
    grid_lines,
    new_figure,
    styled,
    wrapped,
)


@styled
def uncertainty_histograms(
    panels: Mapping[str, tuple[Array, Array]],
    *,
    quantity: str = "Epistemic uncertainty",
    unit: str = "nats",
    bins: int = 25,
) -> Figure:
    """Draw, for each rule, how uncertain its right and its wrong answers were.

    Each histogram is a share of its own group, so that few wrong answers show beside many right
    ones. Lines mark the medians. All panels share their axes.

    Args:
        panels: name -> (uncertainty `[N]`, correct `[N]` bool), at least one.
        quantity, unit: of the horizontal axis.
        bins: number of bins between the smallest and the largest value of all panels.

    Raises:
        ValueError: no panel, or arrays that are not `[N]` and of equal length.
    """
    if not panels:
        raise ValueError("need at least one panel")
    data = {name: _checked(name, *pair) for name, pair in panels.items()}
    low = min(0.0, min(float(values.min()) for values, _ in data.values()))
    high = max(float(values.max()) for values, _ in data.values())
    edges = np.linspace(low, high if high > low else low + 1.0, bins + 1)
    figure = new_figure(0.6 + 3.0 * len(data), 2.9)
    row = figure.subplots(1, len(data), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (name, (values, correct)) in zip(row, data.items(), strict=True):
        for group, color, word in ((correct, BLUE, "right"), (~correct, VERMILION, "wrong")):
            count = int(group.sum())
            label = f"{word} ({count:,})"
            if count == 0:
                axes.plot([], [], color=color, label=label)
                continue
            shares = np.histogram(values[group], edges)[0] / count
            axes.stairs(shares, edges, fill=True, color=color, alpha=0.25)
            axes.stairs(shares, edges, color=color, linewidth=1.3, label=label)
            axes.axvline(float(np.median(values[group])), color=color, linestyle=":", linewidth=1.2)
        axes.set_title(wrapped(name))
        axes.set_xlabel(f"{quantity} ({unit})")
        axes.set_xlim(edges[0], edges[-1])
        axes.legend(title="answers (dotted: median)", title_fontsize=8, alignment="left")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
        grid_lines(axes, "y")
    row[0].set_ylabel("Share of its group")
    row[0].set_ylim(bottom=0)
    return figure


def _checked(name: str, uncertainty: Array, correct: Array) -> tuple[np.ndarray, np.ndarray]:
    values = as_numpy(uncertainty, "uncertainty").astype(np.float64)
    right = as_numpy(correct, "correct").astype(bool)
    if values.ndim != 1 or values.shape != right.shape or not len(values):
        raise ValueError(
            f"{name!r}: uncertainty and correct must be [N], got {values.shape} and {right.shape}"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"{name!r}: uncertainty has values that are not finite")
    return values, right
