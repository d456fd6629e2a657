"""How the cost of a sampled forward grows: one panel an axis, logarithmic both ways.

Oracle: tests/report/figures/test_scaling.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, ScalarFormatter

from bayesnn_spike.report.figures.style import CYCLE, MARKERS, grid_lines, new_figure, styled


@final
@dataclass(frozen=True, eq=False)
class Sweep:
    """The times of one implementation along one axis.

    Attributes:
        axis: the horizontal axis, with its meaning.
        name: in the legend.
        sizes: `[n]`, ascending, at least 1.
        seconds: `[3, n]`: low quantile, median, high quantile.
        line: (a, b) of a straight line a + b n through the medians, or None.

    Raises:
        ValueError: shapes do not fit, or sizes do not ascend from 1.
    """

    axis: str
    name: str
    sizes: np.ndarray
    seconds: np.ndarray
    line: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        sizes, seconds = np.asarray(self.sizes), np.asarray(self.seconds, np.float64)
        if sizes.ndim != 1 or not len(sizes) or seconds.shape != (3, len(sizes)):
            raise ValueError(
                f"sweep {self.name!r} needs sizes [n] and seconds [3, n], "
                f"got {sizes.shape} and {seconds.shape}"
            )
        if sizes[0] < 1 or (np.diff(sizes) <= 0).any():
            raise ValueError(f"sweep {self.name!r} needs ascending sizes from 1, got {sizes}")
        object.__setattr__(self, "sizes", sizes)
        object.__setattr__(self, "seconds", seconds)


@styled
def scaling_figure(sweeps: Sequence[Sweep]) -> Figure:
    """Draw seconds against size, with a thin straight line where one was fitted.

    Points are medians, bars the 10 % and 90 % quantiles. A straight line `a + b n` bends on
    logarithmic axes where a is not small.

    Raises:
        ValueError: no sweep.
    """
    if not sweeps:
        raise ValueError("need at least one sweep")
    axes_names = list(dict.fromkeys(sweep.axis for sweep in sweeps))
    names = list(dict.fromkeys(sweep.name for sweep in sweeps))
    figure = new_figure(2.6 * len(axes_names) + 0.4, 2.9)
    panels = np.atleast_1d(figure.subplots(1, len(axes_names), sharey=True))
    for panel, axis in zip(panels, axes_names, strict=True):
        found = [sweep for sweep in sweeps if sweep.axis == axis]
        for sweep in found:
            index = names.index(sweep.name)
            color, marker = CYCLE[index % len(CYCLE)], MARKERS[index % len(MARKERS)]
            low, median, high = sweep.seconds
            panel.errorbar(
                sweep.sizes,
                median,
                yerr=(median - low, high - median),
                color=color,
                marker=marker,
                markersize=4.5,
                linestyle="none",
                label=sweep.name,
            )
            if sweep.line is not None:
                dense = np.geomspace(sweep.sizes[0], sweep.sizes[-1], 50)
                a, b = sweep.line
                panel.plot(dense, a + b * dense, color=color, linewidth=1.0)
        ticks = sorted({int(size) for sweep in found for size in sweep.sizes})
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        panel.xaxis.set_major_locator(FixedLocator(ticks))
        panel.xaxis.set_major_formatter(ScalarFormatter())
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.minorticks_off()
        panel.set_xlabel(axis)
        grid_lines(panel)
    panels[0].set_ylabel("Seconds")
    panels[0].legend()
    return figure
