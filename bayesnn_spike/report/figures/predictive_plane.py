"""Predictions over a plane of inputs: probability above, uncertainty below, a column per network.

Oracle: tests/report/figures/test_predictive_plane.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bayesnn_spike.report.figures.plane import TrainingPoints, draw_points
from bayesnn_spike.report.figures.style import BLACK, PALE, new_figure, styled

# The two ends are the colours of the two classes' points.
_CLASSES = LinearSegmentedColormap.from_list("classes", ["#2C8CC9", "#F7F7F7", "#E08A00"])
_LN2 = float(np.log(2))
_LEVELS = 12


@final
@dataclass(frozen=True, eq=False)
class PredictiveMap:
    """What a set of networks says at every point of a plane; all arrays are `[H, W]`.

    Attributes:
        title: above its column.
        probability: of class 1.
        total, aleatoric, epistemic: uncertainties in nats; the last two add up to the first.
    """

    title: str
    probability: np.ndarray
    total: np.ndarray
    aleatoric: np.ndarray
    epistemic: np.ndarray

    @property
    def spread(self) -> bool:
        """Whether its networks disagree anywhere."""
        return float(np.max(self.epistemic)) > 1e-6


@styled
def predictive_plane(
    maps: Sequence[PredictiveMap],
    x: np.ndarray,
    y: np.ndarray,
    *,
    points: TrainingPoints | None = None,
    classes: tuple[str, str] = ("class 0", "class 1"),
) -> Figure:
    """Draw two-class predictions over a plane.

    Every map has a column: the probability of class 1 above, its entropy below, on common scales.
    Maps whose networks disagree have a second column with the two parts of that entropy; the
    epistemic part has a scale of its own, for it is often small. Lines are where the probability
    is 0.5.

    Args:
        maps: at least one.
        x: `[W]` ascending horizontal coordinates.
        y: `[H]` ascending vertical coordinates.
        points: training points to draw on every panel.
        classes: names of the two classes.

    Raises:
        ValueError: no map, or a map that is not `[H, W]`.
    """
    if not maps:
        raise ValueError("need at least one map")
    for one in maps:
        for name in ("probability", "total", "aleatoric", "epistemic"):
            shape = np.shape(getattr(one, name))
            if shape != (len(y), len(x)):
                raise ValueError(
                    f"{name} of {one.title!r} must be [H, W] = {(len(y), len(x))}, got {shape}"
                )
    spread = [one for one in maps if one.spread]
    count = len(maps) + len(spread)
    figure = new_figure(1.6 + 2.3 * count, 5.5)
    panels = figure.subplots(2, count, sharex=True, sharey=True, squeeze=False)
    plane = _Plane(x, y, points)
    for (above, below), one in zip(panels.T, maps, strict=False):
        shown = plane.fill(above, one.probability, one, (0.0, 1.0), _CLASSES)
        unsure = plane.fill(below, one.total, one, (0.0, _LN2), "viridis")
        above.set_title(one.title)
    _bar(figure, shown, panels[0, : len(maps)], f"Probability of {classes[1]}", "{x:.2f}")
    _bar(figure, unsure, panels[1, : len(maps)], "Predictive entropy (nats)", "{x:.2f}")
    if spread:
        high = _round_up(max(float(one.epistemic.max()) for one in spread))
        for (above, below), one in zip(panels[:, len(maps) :].T, spread, strict=True):
            noise = plane.fill(above, one.aleatoric, one, (0.0, _LN2), "viridis")
            doubt = plane.fill(below, one.epistemic, one, (0.0, high), "magma", line=PALE)
            above.set_title(f"{one.title}:\nits two parts")
        _bar(figure, noise, panels[0, len(maps) :], "Aleatoric part (nats)", "{x:.2f}")
        _bar(figure, doubt, panels[1, len(maps) :], "Epistemic part (nats)", "{x:.2g}")
    for axes in panels[1]:
        axes.set_xlabel("Input $x_1$")
    for axes in panels[:, 0]:
        axes.set_ylabel("Input $x_2$")
    handles = [Line2D([], [], color=BLACK, linewidth=1.1, label="probability 0.5")]
    if points is not None:
        found, _ = panels[0, 0].get_legend_handles_labels()
        for handle, value in zip(found, np.unique(points.labels), strict=True):
            handle.set_label(f"training points, {classes[int(value)]}")
        handles = [*found, *handles]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


@final
@dataclass(frozen=True, eq=False)
class _Plane:
    x: np.ndarray
    y: np.ndarray
    points: TrainingPoints | None

    def fill(
        self,
        axes: Axes,
        values: np.ndarray,
        one: PredictiveMap,
        limits: tuple[float, float],
        colours: Any,
        *,
        line: str = BLACK,
    ) -> Any:
        """Draw one panel and return what its colour bar needs."""
        levels = np.linspace(*limits, _LEVELS + 1)
        filled = axes.contourf(
            self.x, self.y, np.clip(values, *limits), levels=levels, cmap=colours
        )
        # Thin seams between the colours are an artefact of antialiasing; this closes them.
        filled.set_edgecolor("face")
        if one.probability.min() < 0.5 < one.probability.max():
            axes.contour(self.x, self.y, one.probability, levels=[0.5], colors=line, linewidths=1.1)
        if self.points is not None:
            draw_points(axes, self.points)
        axes.set(aspect="equal", xlim=(self.x[0], self.x[-1]), ylim=(self.y[0], self.y[-1]))
        return filled


def _round_up(value: float) -> float:
    """Return the next 1, 2, 4 or 8 times a power of ten: quarters of it are short numbers."""
    power = 10.0 ** float(np.floor(np.log10(value)))
    return next(factor * power for factor in (1, 2, 4, 8, 10) if factor * power >= value)


def _bar(figure: Figure, filled: Any, panels: np.ndarray, label: str, form: str) -> None:
    low, high = filled.levels[0], filled.levels[-1]
    bar = figure.colorbar(filled, ax=list(panels), aspect=22, pad=0.02)
    bar.set_label(label)
    bar.set_ticks(np.linspace(low, high, 5))
    bar.ax.yaxis.set_major_formatter(form)
    bar.outline.set_visible(False)
