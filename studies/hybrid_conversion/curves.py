"""The page of curves: accuracy, NLL and ECE against the number of time steps."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bayesnn_spike.report.figures.style import (
    CYCLE,
    GREY,
    MARKERS,
    grid_lines,
    new_figure,
    styled,
)

RULES = {
    "conversion": "conversion, published thresholds",
    "conversion_tuned": "conversion, tuned",
    "conversion_local": "conversion, locally balanced",
    "hybrid": "hybrid",
    "hybrid_stdb": "hybrid, spike time (STDB)",
    "hybrid_linear": "hybrid, linear surrogate",
    "scratch": "from scratch",
    "scratch_stdb": "from scratch, STDB",
    "scratch_linear": "from scratch, linear surrogate",
    "qcfs": "QCFS",
    "binary_straight_through": "binary, straight-through",
    "binary_bayes": "binary, Bayes",
}
TITLES = {
    "mnist": "MNIST",
    "fashion-mnist": "Fashion-MNIST",
    "cifar10-jpeg": "CIFAR-10 as lossy JPEG",
}
LEAST = 1e-6
METRICS = (("accuracy", "error in %"), ("nll", "NLL in nats"), ("ece", "ECE"))


@styled
def page(rows: Sequence[dict[str, Any]]) -> Figure:
    """Draw a column a data set and a row a score; bars are standard deviations over seeds."""
    sets = [name for name in TITLES if any(r["data"] == name for r in rows)]
    shown = [rule for rule in RULES if any(r["rule"] == rule for r in rows)]
    figure = new_figure(4.4 * len(sets) + 0.4, 8.4)
    axes = figure.subplots(len(METRICS), len(sets), squeeze=False, sharex=True)
    for column, data in enumerate(sets):
        own = [r for r in rows if r["data"] == data]
        for line, (metric, label) in enumerate(METRICS):
            _panel(axes[line][column], own, metric, shown)
            if column == 0:
                axes[line][column].set_ylabel(label)
        axes[0][column].set_title(TITLES[data])
        axes[-1][column].set_xlabel("time steps T")
    handles = {}
    for ax in axes.flat:
        handles |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=2)
    return figure


def _panel(ax: Axes, rows: Sequence[dict[str, Any]], metric: str, shown: Sequence[str]) -> None:
    seen: list[float] = []
    for place, rule in enumerate(shown):
        own = sorted((r for r in rows if r["rule"] == rule), key=lambda r: r["steps"])
        # A log axis has no place for a score of 0: the ECE of equal probabilities.
        own = [r for r in own if r["metrics"][metric]["mean"] > LEAST]
        if not own:
            continue
        means = [_shown(metric, r["metrics"][metric]["mean"]) for r in own]
        seen += means
        scale = 100 if metric == "accuracy" else 1
        # Beyond one round of colours: hollow markers of another shape.
        again = place >= len(CYCLE)
        spreads = [scale * (r["metrics"][metric]["std"] or 0) for r in own]
        ax.errorbar(
            [r["steps"] for r in own],
            means,
            yerr=spreads,
            color=CYCLE[place % len(CYCLE)],
            marker=MARKERS[(place + 3 * again) % len(MARKERS)],
            markersize=6 if again else 4,
            markerfacecolor="none" if again else None,
            linewidth=1.2,
            linestyle="--" if again else "-",
            label=RULES[rule],
        )
    ann = [r for r in rows if r["rule"] == "ann"]
    if ann:
        value = _shown(metric, ann[0]["metrics"][metric]["mean"])
        seen.append(value)
        ax.axhline(value, color=GREY, linewidth=1, linestyle=":", label="ANN")
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(plain)
    ax.xaxis.set_minor_formatter(NullFormatter())
    # A panel may lie within one decade, and would have no number.
    ax.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    ax.yaxis.set_minor_formatter(plain)
    # Bars of a deviation above the mean would reach to 0: the lines say how far the axis goes.
    ax.set_ylim(0.7 * min(seen), 1.4 * max(seen))
    grid_lines(ax)


def _shown(metric: str, value: float) -> float:
    """Errors in place of accuracies, so that what is left to gain can be seen."""
    return 100 * (1 - value) if metric == "accuracy" else value
