"""The plot of the sweeps: points, bars and lines are the numbers."""

import numpy as np
import pytest

from bayesnn_spike.report.figures import Sweep, png_bytes, scaling_figure

SIZES = np.array([4, 8, 16])
SECONDS = np.array([[0.9, 1.8, 3.5], [1.0, 2.0, 4.0], [1.2, 2.2, 4.1]])


def test_one_panel_an_axis_one_colour_a_name() -> None:
    figure = scaling_figure(
        [
            Sweep("K", "cpu", SIZES, SECONDS, (0.1, 0.25)),
            Sweep("K", "torch", SIZES, 10 * SECONDS),
            Sweep("T", "cpu", SIZES, SECONDS),
        ]
    )
    left, right = figure.axes
    assert (left.get_xlabel(), right.get_xlabel()) == ("K", "T")
    assert (left.get_xscale(), left.get_yscale()) == ("log", "log")
    ours, torch = left.containers
    np.testing.assert_array_equal(ours.lines[0].get_xydata(), np.stack([SIZES, SECONDS[1]], 1))
    np.testing.assert_array_equal(torch.lines[0].get_ydata(), 10 * SECONDS[1])
    bars = ours.lines[2][0].get_segments()
    np.testing.assert_allclose([[y for _, y in bar] for bar in bars], SECONDS[[0, 2]].T)
    line = next(item for item in left.lines if len(item.get_xdata()) == 50)
    np.testing.assert_allclose(line.get_ydata(), 0.1 + 0.25 * line.get_xdata())
    assert right.containers[0].lines[0].get_color() == ours.lines[0].get_color()
    assert torch.lines[0].get_color() != ours.lines[0].get_color()
    assert png_bytes(figure)[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("sizes", "seconds", "message"),
    [
        ([1, 2], [[1.0], [1.0], [1.0]], r"got \(2,\) and \(3, 1\)"),
        ([], np.zeros((3, 0)), "needs sizes"),
        ([2, 1], np.ones((3, 2)), "ascending sizes from 1"),
        ([0, 1], np.ones((3, 2)), "ascending sizes from 1"),
    ],
)
def test_wrong_sweeps_are_refused(sizes: list, seconds: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sweep("K", "cpu", np.array(sizes), np.array(seconds))


def test_no_sweep_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one sweep"):
        scaling_figure([])
