"""Bias and noise of gradient estimators: one column a problem, bias above, noise below.

Oracle: tests/report/figures/test_estimators.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FormatStrFormatter, NullLocator

from bayesnn_spike.report.figures.style import CYCLE, GREY, MARKERS, grid_lines, new_figure, styled


@final
@dataclass(frozen=True, eq=False)
class EstimatorLine:
    """One estimator along one axis of one panel.

    Attributes:
        panel: title of the column.
        axis: the horizontal axis with its meaning.
        name: in the legend.
        x: `[n]`, ascending.
        bias: `[n]`, norm of the bias over the norm of the gradient.
        bias_error: `[n]`, one standard error of it.
        noise: `[n]`, root mean square deviation over the norm of the gradient; 0 is not drawn.
        losses_only: the estimator needs no derivative of the loss: a dashed line.

    Raises:
        ValueError: the arrays are not `[n]`, or x does not ascend.
    """

    panel: str
    axis: str
    name: str
    x: np.ndarray
    bias: np.ndarray
    bias_error: np.ndarray
    noise: np.ndarray
    losses_only: bool = False

    def __post_init__(self) -> None:
        for field in ("x", "bias", "bias_error", "noise"):
            object.__setattr__(self, field, np.asarray(getattr(self, field), np.float64))
        shapes = {getattr(self, f).shape for f in ("x", "bias", "bias_error", "noise")}
        if len(shapes) != 1 or self.x.ndim != 1 or not self.x.size:
            raise ValueError(f"line {self.name!r} needs arrays [n], got {sorted(shapes)}")
        if (np.diff(self.x) <= 0).any():
            raise ValueError(f"line {self.name!r} needs ascending x, got {self.x}")


@styled
def estimator_figure(lines: Sequence[EstimatorLine]) -> Figure:
    """Draw bias (linear, bars of two standard errors) over noise (logarithmic).

    An estimator has the same colour and marker everywhere; the legend stands beside the panels.
    Biases fill their panel, bars are cut where they reach beyond. x is logarithmic if all are
    positive.

    Raises:
        ValueError: no line.
    """
    if not lines:
        raise ValueError("need at least one line")
    panels = list(dict.fromkeys(line.panel for line in lines))
    names = list(dict.fromkeys(line.name for line in lines))
    figure = new_figure(2.9 * len(panels) + 2.1, 5.2)
    grid = figure.subplots(2, len(panels), squeeze=False, sharex="col")
    handles = {}
    for line in lines:
        place, column = names.index(line.name), panels.index(line.panel)
        style = {
            "color": CYCLE[place % len(CYCLE)],
            "marker": MARKERS[place % len(MARKERS)],
            "markersize": 4.5,
            "linewidth": 1.4,
            "linestyle": "--" if line.losses_only else "-",
            "markerfacecolor": "white" if line.losses_only else CYCLE[place % len(CYCLE)],
        }
        top, bottom = grid[:, column]
        bars = top.errorbar(line.x, line.bias, yerr=2 * line.bias_error, elinewidth=0.9, **style)
        handles.setdefault(line.name, bars)
        noisy = line.noise > 0
        bottom.plot(line.x[noisy], line.noise[noisy], **style)
        top.set_title(line.panel)
        bottom.set_xlabel(line.axis)
    for axes in grid.flat:
        grid_lines(axes)
    for column, panel in enumerate(panels):
        found = [line for line in lines if line.panel == panel]
        _finish(grid[0, column], grid[1, column], found)
    noises = np.concatenate([line.noise[line.noise > 0] for line in lines])
    if noises.size:
        for axes in grid[1]:
            axes.set_ylim(0.7 * noises.min(), 1.4 * noises.max())
    grid[0, 0].set_ylabel("Bias / gradient")
    grid[1, 0].set_ylabel("Noise / gradient")
    figure.legend(handles.values(), handles.keys(), loc="outside right upper", handlelength=3.2)
    return figure


def _finish(top: Axes, bottom: Axes, lines: Sequence[EstimatorLine]) -> None:
    """Limits and scales of a column."""
    highest = max(float(line.bias.max()) for line in lines)
    top.set_ylim(-0.04 * highest, 1.08 * highest if highest else 1.0)
    top.axhline(0, color=GREY, linewidth=0.8)
    bottom.set_yscale("log")
    places = sorted({float(x) for line in lines for x in line.x})
    if places[0] > 0:
        bottom.set_xscale("log")
        bottom.xaxis.set_major_locator(FixedLocator(places))
        bottom.xaxis.set_major_formatter(FormatStrFormatter("%g"))
        bottom.xaxis.set_minor_locator(NullLocator())
