"""Where a Bernoulli posterior is sure: histograms of |lambda|, and maps of each weight's entropy.

Oracle: tests/report/figures/test_saturation.py (heights equal numpy's histogram).
"""

import math

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from torch import Tensor

from bayesnn_spike.calibration.inputs import as_numpy
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.report.figures.style import (
    GREY,
    PALE_BLUE,
    VERMILION,
    grid_lines,
    new_figure,
    styled,
    wrapped,
)
from bayesnn_spike.report.saturation import FLIP, entropy_map, saturation, settled_logit

COLUMNS = 4  # of receptive fields


@styled
def saturation_histograms(
    posterior: Bernoulli, *, flip: float = FLIP, bins: int = 40, columns: int = 4
) -> Figure:
    """Draw |lambda| of every layer on one logarithmic axis, as shares of the layer's weights.

    Settled weights are of another colour, and their share is in the title. Weights below the axis
    (lambda = 0, of which nothing was learned) are counted in the lowest bin.

    Args:
        posterior: what to look at.
        flip: a weight is settled if its rarer sign is less probable than that.
        bins: along the axis.
        columns: panels in a row.

    Raises:
        ValueError: no weights, or flip not in (0, 0.5).
    """
    layers = saturation(posterior, flip=flip)
    if not layers:
        raise ValueError("the posterior has no weights to draw")
    limit = settled_logit(flip)
    values = {n: as_numpy(v.detach().abs(), n).ravel() for n, v in posterior.logits.items()}
    low, high = _range(list(values.values()), limit)
    edges = np.geomspace(low, high, bins + 1)
    columns = min(columns, len(layers))
    rows = -(-len(layers) // columns)
    figure = new_figure(0.6 + 2.5 * columns, 0.3 + 2.4 * rows)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes, layer in zip(grid.flat, layers, strict=False):
        inside = np.clip(values[layer.name], edges[0], edges[-1])
        shares = np.histogram(inside, edges)[0] / inside.size
        axes.stairs(shares, edges, fill=True, color=PALE_BLUE, label="open")
        settled = np.histogram(inside[values[layer.name] > limit], edges)[0] / inside.size
        axes.stairs(settled, edges, fill=True, color=VERMILION, label="settled")
        axes.axvline(limit, color=GREY, linestyle=":", linewidth=1.2)
        share = f"{100 * layer.settled:.1f} % of {layer.weights:,} settled"
        axes.set_title(f"{wrapped(layer.name)}\n{share}")
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
        grid_lines(axes, "y")
    for axes in grid.flat[len(layers) :]:
        axes.set_visible(False)
    for axes in grid[-1]:
        axes.set_xlabel("|λ| (half log-odds)")
    for axes in grid[:, 0]:
        axes.set_ylabel("Share of weights")
    grid[0, 0].set_ylim(bottom=0)
    grid[0, 0].legend(title=f"rarer sign below {flip:g}", title_fontsize=8, loc="upper left")
    return figure


@styled
def entropy_maps(
    logits: Tensor, *, image: tuple[int, ...] | None = None, units: int = 16
) -> Figure:
    """Draw the entropy of the first layer's weights as receptive fields, one picture a unit.

    Units with the least mean entropy come first: the most certain ones. Planes (polarities) of a
    unit stand side by side. Dark is certain, bright is open; the scale is 0 to ln 2 for all.

    Args:
        logits: lambda `[out, P, H, W]`, or `[out, P * H * W]` with `image`.
        image: (P, H, W) of the inputs where the weights are flat.
        units: pictures at most.

    Raises:
        ValueError: the weights are not receptive fields of that shape.
    """
    shape = tuple(logits.shape[1:]) if image is None else tuple(image)
    if len(shape) != 3 or math.prod(shape) != math.prod(logits.shape[1:]) or not logits.numel():
        raise ValueError(
            f"weights {tuple(logits.shape)} are no receptive fields [out, P, H, W]; "
            f"give image=(P, H, W) of the inputs if they are flat (it is {image})"
        )
    maps = entropy_map(logits.detach()).reshape(len(logits), *shape)
    order = torch.argsort(maps.flatten(1).mean(1), stable=True)[:units]
    fields = as_numpy(maps[order], "entropy")
    planes, height, width = shape
    columns = min(len(order), COLUMNS)
    rows = -(-len(order) // columns)
    across = min(max(1.0, planes * width / height), 3.0)
    figure = new_figure(0.9 + across * columns, 0.3 + 1.25 * rows, layout="compressed")
    grid = figure.subplots(rows, columns, squeeze=False)
    colours = mpl.colormaps["cividis"]
    picture = None
    for axes, unit, field in zip(grid.flat, order.tolist(), fields, strict=False):
        side_by_side = np.concatenate(list(field), axis=1)
        picture = axes.imshow(
            side_by_side, cmap=colours, vmin=0.0, vmax=math.log(2), interpolation="nearest"
        )
        for plane in range(1, planes):
            axes.axvline(plane * width - 0.5, color="white", linewidth=1.0)
        axes.set_title(f"unit {unit}: {field.mean():.2f}", fontsize=8, fontweight="normal")
        axes.set_xticks([])
        axes.set_yticks([])
    for axes in grid.flat[len(order) :]:
        axes.set_visible(False)
    figure.colorbar(picture, ax=grid, label="Entropy of a weight (nats)", shrink=0.8)
    return figure


def _range(values: list[np.ndarray], limit: float) -> tuple[float, float]:
    """Ends of the axis: what all but one in a thousand weights need, and the limit."""
    positive = np.concatenate([v[v > 0] for v in values])
    if not positive.size:
        return limit / 100, limit * 2
    low = min(float(np.quantile(positive, 1e-3)), limit / 10)
    return low, max(float(positive.max()), limit) * 1.5
