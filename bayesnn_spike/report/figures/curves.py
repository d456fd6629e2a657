"""A score against the size of the committee.

Oracle: tests/report/figures/test_curves.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, ScalarFormatter

from bayesnn_spike.report.figures.style import (
    CYCLE,
    GREY,
    MARKERS,
    grid_lines,
    new_figure,
    styled,
)


@final
@dataclass(frozen=True, eq=False)
class Curve:
    """One line: a score at several committee sizes.

    Attributes:
        name: in the legend.
        sizes: `[n]` numbers of networks, ascending, at least 1.
        values: `[n]`, or `[S, n]` with one row for each seed.
    """

    name: str
    sizes: np.ndarray
    values: np.ndarray

    def __post_init__(self) -> None:
        sizes, rows = np.asarray(self.sizes), np.atleast_2d(np.asarray(self.values, np.float64))
        if sizes.ndim != 1 or rows.ndim != 2 or rows.shape[1] != len(sizes) or not len(sizes):
            raise ValueError(
                f"curve {self.name!r} needs sizes [n] and values [n] or [S, n], "
                f"got {sizes.shape} and {np.shape(self.values)}"
            )
        if sizes[0] < 1 or (np.diff(sizes) <= 0).any():
            raise ValueError(f"curve {self.name!r} needs ascending sizes from 1, got {sizes}")
        object.__setattr__(self, "sizes", sizes)
        object.__setattr__(self, "values", rows)


@styled
def committee_curve(
    curves: Sequence[Curve],
    *,
    quantity: str,
    references: Mapping[str, float] | None = None,
) -> Figure:
    """Draw a score against the number of networks in the committee.

    Lines are means over seeds; with several seeds the band is one standard deviation (ddof 1).

    Args:
        curves: at least one.
        quantity: the vertical axis with its unit, "NLL (nats)".
        references: name -> value of horizontal lines, such as the mode's score.

    Raises:
        ValueError: no curve.
    """
    if not curves:
        raise ValueError("need at least one curve")
    figure = new_figure(4.6, 3.2)
    axes = figure.subplots()
    styles = zip(CYCLE * len(curves), MARKERS * len(curves), curves, strict=False)
    for color, marker, curve in styles:
        mean = curve.values.mean(axis=0)
        axes.plot(
            curve.sizes, mean, color=color, marker=marker, markersize=4.5, linewidth=1.5,
            label=curve.name,
        )  # fmt: skip
        if len(curve.values) > 1:
            sd = curve.values.std(axis=0, ddof=1)
            axes.fill_between(
                curve.sizes, mean - sd, mean + sd, color=color, alpha=0.18, linewidth=0
            )
    for style, (name, value) in zip(
        ("--", ":", "-.", (0, (1, 3))) * 8, (references or {}).items(), strict=False
    ):
        axes.axhline(value, color=GREY, linestyle=style, linewidth=1.2, label=name)
    ticks = sorted({int(size) for curve in curves for size in curve.sizes})
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(_apart(ticks)))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()
    axes.set_xlabel("Networks in the committee")
    axes.set_ylabel(quantity)
    grid_lines(axes)
    axes.legend()
    return figure


def _apart(ticks: list[int]) -> list[int]:
    """Leave out ticks whose labels would touch their left neighbour's on the log axis."""
    kept = ticks[:1]
    for tick in ticks[1:]:
        if tick / kept[-1] >= 1.25:
            kept.append(tick)
    return kept
