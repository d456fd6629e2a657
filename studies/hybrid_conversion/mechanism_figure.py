"""The picture of the mechanism: where a surrogate has a slope, and what training makes of it."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, ScalarFormatter

from bayesnn_spike.report.figures.style import CYCLE, MARKERS, grid_lines, new_figure, styled

STARTS = {"hybrid": "from the conversion", "scratch": "from random weights"}
SURROGATES = {"stdb": "-", "linear": "--"}
NAMES = {"stdb": "spike time (STDB)", "linear": "linear surrogate"}


@styled
def mechanism_page(found: dict[str, Any]) -> Figure:
    """Draw, for both starts, the shares by layer and T, and held-out accuracy while training."""
    figure = new_figure(9.2, 6.4)
    axes = figure.subplots(2, len(STARTS), squeeze=False)
    for column, (rule, name) in enumerate(STARTS.items()):
        _shares(axes[0][column], [s for s in found["slopes"] if s["rule"] == rule])
        _trainings(axes[1][column], [t for t in found["trainings"] if t["rule"] == rule])
        axes[0][column].set_title(name)
    axes[0][0].set_ylabel("% of neurons and steps with a slope")
    axes[1][0].set_ylabel("held-out accuracy in %")
    return figure


def _shares(ax: Axes, slopes: Sequence[dict[str, Any]]) -> None:
    layers = list(slopes[0]["layers"])
    for place, layer in enumerate(layers):
        for surrogate, style in SURROGATES.items():
            ax.plot(
                [s["steps"] for s in slopes],
                [100 * s["layers"][layer][surrogate] for s in slopes],
                color=CYCLE[place % len(CYCLE)],
                marker=MARKERS[place % len(MARKERS)],
                markersize=4,
                linestyle=style,
            )
    lines = [
        Line2D(
            [], [], color=CYCLE[i % len(CYCLE)], marker=MARKERS[i % len(MARKERS)], label=f"{i + 1}"
        )
        for i in range(len(layers))
    ]
    ax.legend(handles=lines, title="spiking layer", ncols=2)
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_ylim(0, 105)
    ax.set_xlabel("time steps T")
    grid_lines(ax)


def _trainings(ax: Axes, trainings: Sequence[dict[str, Any]]) -> None:
    for training in trainings:
        steps, seen = zip(*training["held_out"], strict=True)
        ax.plot(
            steps,
            [100 * value for value in seen],
            color="black",
            linestyle=SURROGATES[training["surrogate"]],
            label=f"{NAMES[training['surrogate']]}, T = {training['steps']}",
        )
    ax.legend()
    ax.set_xlabel("updates")
    grid_lines(ax)
