"""Accuracy matrices of continual learning, one heat map a method.

Oracle: tests/report/figures/test_continual.py.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from bayesnn_spike.report.figures.style import new_figure, styled


@styled
def accuracy_matrices(rows: Mapping[str, Mapping[str, np.ndarray]], tasks: Sequence[str]) -> Figure:
    """Draw R[i, j], the accuracy on task j after learning tasks 0 to i, in per cent.

    Args:
        rows: a row of panels for each entry, by its name (class-incremental, task-incremental); in
            it a matrix `[T, T]` by the name of its method. All rows have the same methods.
        tasks: T names.

    Raises:
        ValueError: no panel, a matrix of another shape, a value outside [0, 1], or rows that
            differ in their methods.
    """
    methods = list(next(iter(rows.values()), {}))
    if not methods:
        raise ValueError("need at least one matrix")
    size = len(tasks)
    for name, panels in rows.items():
        if list(panels) != methods:
            raise ValueError(f"row {name!r} has methods {list(panels)}, the first {methods}")
        for method, matrix in panels.items():
            values = np.asarray(matrix, np.float64)
            if values.shape != (size, size) or not ((values >= 0) & (values <= 1)).all():
                raise ValueError(
                    f"the matrix of {method!r} in {name!r} must be [{size}, {size}] with values "
                    f"in [0, 1], got {list(values.shape)}"
                )
    figure = new_figure(1.9 * len(methods) + 0.8, 2.1 * len(rows) + 0.3)
    grid = figure.subplots(len(rows), len(methods), sharex=True, sharey=True, squeeze=False)
    for number, (name, panels) in enumerate(rows.items()):
        axes_row = grid[number]
        for axes, (method, matrix) in zip(axes_row, panels.items(), strict=True):
            image = axes.imshow(np.asarray(matrix), vmin=0, vmax=1, cmap="cividis")
            _write_values(axes, np.asarray(matrix))
            axes.set_xticks(range(size), tasks)
            axes.set_yticks(range(size), tasks)
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
            if number == 0:
                axes.set_title(method)
            if number == len(rows) - 1:
                axes.set_xlabel("Scored on")
        axes_row[0].set_ylabel(f"{name}\nafter learning")
    bar = figure.colorbar(image, ax=grid, shrink=0.8, ticks=[0, 0.5, 1])
    bar.ax.set_yticklabels(["0", "50", "100"])
    bar.set_label("Accuracy (%)")
    return figure


def _write_values(axes, matrix: np.ndarray) -> None:
    for (i, j), value in np.ndenumerate(matrix):
        color = "black" if value > 0.5 else "white"
        axes.text(j, i, f"{100 * value:.0f}", ha="center", va="center", color=color, fontsize=7)
