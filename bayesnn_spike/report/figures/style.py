"""The look of every picture: colours that colour-blind readers tell apart, quiet axes, 150 dpi.

Oracle: tests/report/figures/test_style.py.
"""

import io
import os
import textwrap
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image  # comes with matplotlib

from bayesnn_spike.io import atomic_write_bytes

DPI = 150

# Okabe & Ito 2008, "Color universal design".
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
VERMILION, PURPLE, SKY = "#D55E00", "#CC79A7", "#56B4E9"
BLACK, GREY, PALE = "#222222", "#6E6E6E", "#D9D9D9"
PALE_BLUE = "#8FC1DF"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

_SETTINGS = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.labelcolor": BLACK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": BLACK,
    "ytick.labelcolor": BLACK,
    "text.color": BLACK,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "hatch.linewidth": 0.6,
}

_P = ParamSpec("_P")
_R = TypeVar("_R")


def styled(draw: Callable[_P, _R]) -> Callable[_P, _R]:
    """Run a drawing function under the settings of the house; the caller's come back after."""

    @wraps(draw)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with mpl.rc_context(_SETTINGS):
            return draw(*args, **kwargs)

    return wrapper


def new_figure(width_in: float, height_in: float, *, layout: str = "constrained") -> Figure:
    """Return an empty figure on the Agg canvas, sizes in inches.

    `layout` is matplotlib's: "constrained", or "compressed" for axes of a fixed aspect.
    """
    figure = Figure(figsize=(width_in, height_in), dpi=DPI, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def grid_lines(axes: Axes, axis: str = "both") -> None:
    """Draw thin grid lines behind the data."""
    axes.grid(visible=True, axis=axis, color=PALE, linewidth=0.6)


def wrapped(title: str) -> str:
    """Break a title into lines that fit over one panel."""
    return "\n".join(textwrap.wrap(title, 30))


@styled
def png_bytes(figure: Figure, *, colours: int | None = None) -> bytes:
    """Return a figure as the bytes of a PNG at 150 dpi.

    Args:
        figure: the picture.
        colours: keep only so many, at most 256: a coloured map then takes a third of the bytes.
    """
    buffer = io.BytesIO()
    # Without the version of matplotlib in it, equal pictures are equal files.
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    if colours is None:
        return buffer.getvalue()
    with Image.open(buffer) as picture:
        palette = picture.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
        dense = io.BytesIO()
        palette.save(dense, format="png", optimize=True, dpi=(DPI, DPI))
    return dense.getvalue()


def save_png(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure to a PNG at 150 dpi, whole or not at all."""
    atomic_write_bytes(path, png_bytes(figure))
