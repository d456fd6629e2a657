"""Uncertainty over a plane of inputs, with the training points on it: the two-moons picture.

Oracle: tests/report/figures/test_plane.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bayesnn_spike.report.figures.style import (
    BLACK,
    MARKERS,
    ORANGE,
    SKY,
    new_figure,
    styled,
    wrapped,
)

_FILLS = (SKY, ORANGE, "#F0E442", "#CC79A7", "#009E73", "#D55E00", "#0072B2")


@final
@dataclass(frozen=True, eq=False)
class PlaneMap:
    """One map over the plane.

    Attributes:
        title: above the map.
        values: `[H, W]` uncertainty at (x[w], y[h]).
        probability: `[H, W]` probability of class 1, whose 0.5 contour is drawn; or None.
    """

    title: str
    values: np.ndarray
    probability: np.ndarray | None = None


@final
@dataclass(frozen=True, eq=False)
class TrainingPoints:
    """Points on the plane.

    Attributes:
        xy: `[n, 2]` coordinates.
        labels: `[n]` class indices.
    """

    xy: np.ndarray
    labels: np.ndarray


@styled
def uncertainty_map(
    maps: Sequence[PlaneMap],
    x: np.ndarray,
    y: np.ndarray,
    *,
    points: TrainingPoints | None = None,
    quantity: str = "Predictive entropy (nats)",
    limits: tuple[float, float] | None = None,
    levels: int = 12,
) -> Figure:
    """Draw maps side by side on one colour scale, with the decision boundary and the points.

    Args:
        maps: at least one.
        x: `[W]` ascending horizontal coordinates.
        y: `[H]` ascending vertical coordinates.
        points: training points to draw on every map.
        quantity: the colour bar's label with its unit.
        limits: of the colour scale; default 0 to the largest value of all maps. For two
            classes, (0, ln 2) is the range of the entropy.
        levels: number of colours.

    Raises:
        ValueError: no map, a map that is not `[H, W]`, or limits out of order.
    """
    if not maps:
        raise ValueError("need at least one map")
    for one in maps:
        for name, field in (("values", one.values), ("probability", one.probability)):
            if field is not None and np.shape(field) != (len(y), len(x)):
                raise ValueError(
                    f"{name} of {one.title!r} must be [H, W] = {(len(y), len(x))}, "
                    f"got {np.shape(field)}"
                )
    low, high = limits or (0.0, max(float(np.max(one.values)) for one in maps))
    if limits is None and high <= low:
        high = low + 1.0  # maps of zeros
    if not low < high:
        raise ValueError(f"limits must be in ascending order, got {(low, high)}")
    scale = np.linspace(low, high, levels + 1)
    aspect = (y[-1] - y[0]) / (x[-1] - x[0])
    figure = new_figure(1.2 + 3.1 * len(maps), 1.0 + 3.0 * aspect, layout="compressed")
    figure.get_layout_engine().set(w_pad=0.08)
    row = figure.subplots(1, len(maps), sharex=True, sharey=True, squeeze=False)[0]
    for axes, one in zip(row, maps, strict=True):
        filled = axes.contourf(x, y, np.clip(one.values, low, high), levels=scale, cmap="viridis")
        # Thin seams between the colours are an artefact of antialiasing; this closes them.
        filled.set_edgecolor("face")
        if one.probability is not None:
            axes.contour(x, y, one.probability, levels=[0.5], colors=BLACK, linewidths=1.5)
        if points is not None:
            draw_points(axes, points)
        axes.set(aspect="equal", xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
        axes.set_title(wrapped(one.title))
        axes.set_xlabel("Input $x_1$")
    row[0].set_ylabel("Input $x_2$")
    # Inside the last map's own coordinates the bar is as tall as the map, whatever the layout.
    bar = figure.colorbar(filled, cax=row[-1].inset_axes((1.04, 0.0, 0.045, 1.0)))
    bar.set_label(quantity)
    bar.set_ticks(np.linspace(low, high, 5))
    bar.ax.yaxis.set_major_formatter("{x:.2f}")
    bar.outline.set_visible(False)
    handles, _ = row[0].get_legend_handles_labels()
    if any(one.probability is not None for one in maps):
        handles.append(Line2D([], [], color=BLACK, linewidth=1.5, label="decision boundary"))
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)))
    return figure


def draw_points(axes: Axes, points: TrainingPoints) -> None:
    """Draw the points of every class with its own marker and colour, named for a legend."""
    for value in np.unique(points.labels):
        mine = points.labels == value
        axes.scatter(
            points.xy[mine, 0],
            points.xy[mine, 1],
            s=16,
            marker=MARKERS[int(value) % len(MARKERS)],
            facecolor=_FILLS[int(value) % len(_FILLS)],
            edgecolor=BLACK,
            linewidth=0.5,
            label=f"training points, class {int(value)}",
        )
