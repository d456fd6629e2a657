"""Reliability diagrams: accuracy against confidence, drawn from the table the ECE has summed.

Oracle: tests/report/figures/test_reliability.py (heights of the bars equal the table).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from bayesnn_spike.calibration.reliability import ReliabilityTable
from bayesnn_spike.report.figures.style import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    PALE_BLUE,
    VERMILION,
    grid_lines,
    new_figure,
    styled,
    wrapped,
)

# A bin of equal confidences has no width; this much of it is drawn.
_THINNEST = 0.008
_LOWER_HEIGHT = 0.3  # of the histogram, in heights of the square above it
_NOTE_POINTS = 11.5  # height of one line of a note
_OVER = {"facecolor": "#FAE0D2", "edgecolor": VERMILION, "hatch": "////"}
_UNDER = {"facecolor": "#FDF0D3", "edgecolor": ORANGE, "hatch": "...."}
_DIAGONAL = {"color": BLACK, "linewidth": 0.9, "linestyle": (0, (4, 3))}
_ACCURACY = {"color": BLUE, "linewidth": 2.2}
_MEAN_ACCURACY = {"color": BLUE, "linewidth": 1.6}
_MEAN_CONFIDENCE = {"color": BLACK, "linewidth": 1.4, "linestyle": (0, (1, 1.5))}
_CONSISTENCY = {"color": BLACK, "linewidth": 1.1}


@final
@dataclass(frozen=True, eq=False)
class ReliabilityPanel:
    """One diagram of a grid.

    Attributes:
        title: above the diagram, usually the rule.
        table: the table of the score.
        bars: consistency bars (low `[B]`, high `[B]`), or None.
        note: short text under the title, usually the ECE with its interval.
    """

    title: str
    table: ReliabilityTable
    bars: tuple[np.ndarray, np.ndarray] | None = None
    note: str = ""


def reliability_diagram(panel: ReliabilityPanel) -> Figure:
    """Draw one reliability diagram with the histogram of confidences below it."""
    return reliability_grid([panel])


@styled
def reliability_grid(panels: Sequence[ReliabilityPanel], *, columns: int | None = None) -> Figure:
    """Draw several reliability diagrams side by side, all axes equal.

    Bars, with a line on top, are the accuracy in each bin. The hatched part is the gap to the
    mean confidence: above the line the bin is overconfident, below it underconfident. Thin
    vertical lines are the consistency bars around the diagonal. The histogram gives the share of
    examples per bin, with the mean confidence and the accuracy of all examples.

    Args:
        panels: the diagrams, at least one.
        columns: diagrams in a row; by default at most three, in rows of equal length if possible.

    Raises:
        ValueError: no panel, fewer than one column, or a table without examples.
    """
    if columns is None:
        columns = 2 if len(panels) in (2, 4) else 3
    if not panels or columns < 1:
        raise ValueError(f"need a panel and a column, got {len(panels)} and {columns}")
    for panel in panels:
        if panel.table.examples == 0:
            raise ValueError(f"the table of {panel.title!r} holds no examples")
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    lines = max(panel.note.count("\n") + 1 if panel.note else 0 for panel in panels)
    height = 3.8 + lines * _NOTE_POINTS / 72
    figure = new_figure(0.3 + 3.0 * columns, 0.85 + height * rows)
    heights = [1.0, _LOWER_HEIGHT] * rows
    axes = figure.subplots(
        2 * rows, columns, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    tallest = max(float((p.table.count / p.table.examples).max()) for p in panels)
    for place in range(rows * columns):
        row, column = divmod(place, columns)
        upper, lower = axes[2 * row, column], axes[2 * row + 1, column]
        if place >= len(panels):
            upper.remove()
            lower.remove()
            continue
        _diagram(upper, panels[place])
        _histogram(lower, panels[place].table, tallest)
        if column == 0:
            upper.set_ylabel("Accuracy in bin")
            lower.set_ylabel("Examples")
        if place + columns >= len(panels):  # the lowest of its column
            lower.set_xlabel("Confidence (probability of the answer)")
            lower.tick_params(labelbottom=True)
    handles = _handles(with_bars=any(panel.bars is not None for panel in panels))
    figure.legend(handles=handles, loc="outside lower center", ncols=2 if columns == 1 else 4)
    return figure


def _diagram(axes: Axes, panel: ReliabilityPanel) -> None:
    table = panel.table
    filled = table.count > 0
    left, width = _spans(table)
    where = (left + width / 2)[filled]
    axes.plot([0, 1], [0, 1], **_DIAGONAL, zorder=3)
    axes.bar(
        where,
        table.accuracy[filled],
        width[filled],
        facecolor=PALE_BLUE,
        edgecolor="white",
        linewidth=0.6,
        label="accuracy",
    )
    # The gap may cover the top of a bar; this line always shows it.
    axes.hlines(
        table.accuracy[filled],
        left[filled],
        (left + width)[filled],
        **_ACCURACY,
        label="accuracy line",
        zorder=3.5,
    )
    for sign, look, name in ((-1, _OVER, "overconfident"), (1, _UNDER, "underconfident")):
        mine = filled & (np.sign(table.gap) == sign)
        axes.bar(
            (left + width / 2)[mine],
            -table.gap[mine],
            width[mine],
            bottom=table.accuracy[mine],
            linewidth=0.7,
            label=name,
            **look,
        )
    if panel.bars is not None:
        low, high = panel.bars
        axes.vlines(
            table.confidence[filled],
            low[filled],
            high[filled],
            **_CONSISTENCY,
            label="consistency",
            zorder=4,
        )
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_box_aspect(1)
    lines = panel.note.count("\n") + 1 if panel.note else 0
    axes.set_title(wrapped(panel.title), pad=6 + _NOTE_POINTS * lines)
    if panel.note:
        axes.annotate(
            panel.note, (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points",
            va="bottom", fontsize=8, linespacing=1.3, annotation_clip=False,
        )  # fmt: skip
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_yticks(np.linspace(0, 1, 6))
    grid_lines(axes)


def _histogram(axes: Axes, table: ReliabilityTable, tallest: float) -> None:
    filled = table.count > 0
    left, width = _spans(table)
    shares = table.count / table.examples
    axes.bar(
        (left + width / 2)[filled],
        shares[filled],
        width[filled],
        color=GREY,
        alpha=0.6,
        edgecolor="white",
        linewidth=0.6,
        label="share of examples",
    )
    confidence = float((table.confidence[filled] * shares[filled]).sum())
    accuracy = float((table.accuracy[filled] * shares[filled]).sum())
    axes.axvline(accuracy, **_MEAN_ACCURACY, label="mean accuracy")
    axes.axvline(confidence, **_MEAN_CONFIDENCE, label="mean confidence")
    axes.set_box_aspect(_LOWER_HEIGHT)
    axes.set_ylim(0, 1.08 * tallest)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    axes.locator_params(axis="y", nbins=3)
    grid_lines(axes, "y")


def _spans(table: ReliabilityTable) -> tuple[np.ndarray, np.ndarray]:
    """Return (left, width) of every bin's bar."""
    width = np.maximum(table.high - table.low, _THINNEST)
    return (table.low + table.high - width) / 2, width


def _handles(*, with_bars: bool) -> list[Patch | Line2D]:
    handles = [
        Patch(facecolor=PALE_BLUE, edgecolor=BLUE, label="accuracy in bin"),
        Line2D([], [], **_DIAGONAL, label="perfect calibration"),
        Patch(**_OVER, label="gap, overconfident"),
        Patch(**_UNDER, label="gap, underconfident"),
        Line2D([], [], **_MEAN_ACCURACY, label="mean accuracy"),
        Line2D([], [], **_MEAN_CONFIDENCE, label="mean confidence"),
    ]
    if with_bars:
        handles.append(Line2D([], [], **_CONSISTENCY, label="range if calibrated"))
    return handles
