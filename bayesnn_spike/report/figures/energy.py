"""What the layers of an ANN and an SNN cost, and how many spikes the SNN could afford.

Oracle: tests/report/figures/test_energy.py.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayesnn_spike.energy import Comparison, LayerComparison
from bayesnn_spike.energy.text import joules, scale
from bayesnn_spike.report.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PALE,
    PURPLE,
    VERMILION,
    grid_lines,
    new_figure,
    styled,
)

WIDTH = 0.4
"""Of one bar; a layer has two."""
_PARTS = (
    ("SNN: additions of spikes", "ac_j", BLUE),
    ("SNN: multiplications", "mac_j", VERMILION),
    ("SNN: neurons and biases", "neuron_j", ORANGE),
    ("SNN: memory", "memory_j", PURPLE),
)


@styled
def energy_figure(comparison: Comparison, *, title: str | None = None) -> Figure:
    """Draw the energy of every layer, ANN beside SNN, and spikes beside their break-even.

    Above, a grey bar is the ANN's layer and a coloured one the SNN's, in its parts. Below, a point
    is how often an input neuron of the layer fires in an inference, a dash where the layer would
    cost what the ANN's does: green points are below it. Layers with analog inputs have no point.

    Args:
        comparison: of `bayesnn_spike.energy.compare`.
        title: None for the totals.
    """
    layers = comparison.layers
    places = np.arange(len(layers))
    rotated = sum(len(layer.name) + 2 for layer in layers) > 70
    figure = new_figure(min(max(1.9 + 0.62 * len(layers), 5.2), 10.5), 4.6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    _bars(above, layers, places)
    spiking = _spikes(below, layers, places)
    below.set_xticks(places, [layer.name for layer in layers])
    below.tick_params(axis="x", length=0)
    if rotated:
        below.tick_params(axis="x", labelrotation=45)
        for label in below.get_xticklabels():
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")
    above.set_title(_totals(comparison) if title is None else title)
    if spiking:
        below.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    return figure


def _bars(axes: Axes, layers: tuple[LayerComparison, ...], places: np.ndarray) -> None:
    ann = np.array([0.0 if layer.ann is None else layer.ann.joules for layer in layers])
    tops = [max(a, layer.snn.joules) for a, layer in zip(ann, layers, strict=True)]
    size, unit = scale(max(tops))
    axes.bar(places - WIDTH / 2, ann / size, WIDTH, color=GREY, label="ANN")
    floor = np.zeros(len(layers))
    for label, part, colour in _PARTS:
        heights = np.array([getattr(layer.snn, part) for layer in layers]) / size
        if heights.any():
            axes.bar(places + WIDTH / 2, heights, WIDTH, bottom=floor, color=colour, label=label)
            floor += heights
    axes.set_ylabel(f"Energy of an example ({unit})")
    axes.set_xlim(-0.6, len(layers) - 0.4)
    axes.tick_params(axis="x", length=0)
    grid_lines(axes, "y")
    axes.legend()


def _spikes(axes: Axes, layers: tuple[LayerComparison, ...], places: np.ndarray) -> bool:
    """Points and dashes; returns whether there is a layer with spikes."""
    found = [
        (place, layer.spikes, layer.break_even)
        for place, layer in zip(places, layers, strict=True)
        if layer.spikes is not None and layer.break_even is not None
    ]
    axes.set_ylabel("Spikes of\nan input neuron")
    grid_lines(axes, "y")
    axes.margins(y=0.15)
    for place, layer in zip(places, layers, strict=True):
        if layer.spikes is None:
            axes.axvspan(place - 0.5, place + 0.5, color=PALE, alpha=0.35, linewidth=0)
            words = "no\nsynapse" if layer.ann is None else "analog\ninput"
            axes.text(
                *(place, 0.5, words),
                transform=axes.get_xaxis_transform(),
                ha="center",
                va="center",
                color=GREY,
                fontsize=8,
            )
    if not found:
        return False
    at, spikes, limits = (np.array(column, float) for column in zip(*found, strict=True))
    axes.hlines(
        np.maximum(limits, 0.0),
        at - WIDTH,
        at + WIDTH,
        color=BLACK,
        linewidth=1.6,
        label="break-even",
    )
    for label, colour, marker, chosen in (
        ("cheaper than the ANN", GREEN, "o", spikes <= limits),
        ("dearer than the ANN", VERMILION, "s", spikes > limits),
    ):
        if chosen.any():
            axes.plot(
                *(at[chosen], spikes[chosen], marker),
                color=colour,
                markersize=6,
                label=label,
                clip_on=False,
                zorder=4,  # over the axis
            )
    axes.set_ylim(bottom=0)
    return True


def _totals(comparison: Comparison) -> str:
    ann, snn = comparison.ann, comparison.snn
    committee = f", {snn.draws} networks" if snn.draws > 1 else ""
    names = (snn.table.name, ann.table.name)
    prices = f", {names[0]}" if names[0] == names[1] else f"\nSNN: {names[0]}; ANN: {names[1]}"
    first = (
        f"ANN {joules(ann.joules)}, SNN {joules(snn.joules)}: SNN / ANN = {comparison.ratio:.2g}"
    )
    return f"{first}\nT = {snn.steps}{committee}; {snn.accounting.name} accounting{prices}"
