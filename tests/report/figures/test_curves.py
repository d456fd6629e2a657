"""The committee-size curve: lines are means, bands are one standard deviation."""

import numpy as np
import pytest

from bayesnn_spike.report.figures import Curve, committee_curve, png_bytes

SIZES = np.array([1, 2, 5, 10])
VALUES = np.array([[0.5, 0.4, 0.35, 0.34], [0.6, 0.42, 0.36, 0.35], [0.55, 0.4, 0.36, 0.33]])


def test_lines_and_bands_are_the_numbers():
    figure = committee_curve(
        [Curve("bayes_bisnn", SIZES, VALUES), Curve("one seed", SIZES, VALUES[0])],
        quantity="NLL (nats)",
        references={"mode": 0.47},
    )
    (axes,) = figure.axes
    lines = {line.get_label(): line for line in axes.lines}
    np.testing.assert_array_equal(lines["bayes_bisnn"].get_xdata(), SIZES)
    np.testing.assert_allclose(lines["bayes_bisnn"].get_ydata(), VALUES.mean(axis=0))
    np.testing.assert_allclose(lines["one seed"].get_ydata(), VALUES[0])
    assert set(lines["mode"].get_ydata()) == {0.47}
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    sd = VALUES.std(axis=0, ddof=1)
    for size, mean, half in zip(SIZES, VALUES.mean(axis=0), sd, strict=True):
        heights = corners[np.isclose(corners[:, 0], size), 1]
        np.testing.assert_allclose((heights.min(), heights.max()), (mean - half, mean + half))
    assert axes.get_ylabel() == "NLL (nats)"
    assert png_bytes(figure)[:4] == b"\x89PNG"


def test_crowded_ticks_are_left_out():
    sizes = np.array([1, 2, 20, 21, 100])
    figure = committee_curve([Curve("a", sizes, np.ones(5))], quantity="NLL (nats)")
    assert figure.axes[0].get_xticks().tolist() == [1, 2, 20, 100]


@pytest.mark.parametrize(
    ("sizes", "values", "message"),
    [
        ([1, 2], [0.1], r"got \(2,\) and \(1,\)"),
        ([], [], "needs sizes"),
        ([2, 1], [0.1, 0.2], "needs ascending sizes from 1"),
        ([0, 1], [0.1, 0.2], "needs ascending sizes from 1"),
    ],
)
def test_wrong_curves_are_refused(sizes, values, message):
    with pytest.raises(ValueError, match=message):
        Curve("a", np.array(sizes), np.array(values))


def test_no_curve_is_refused():
    with pytest.raises(ValueError, match="at least one curve"):
        committee_curve([], quantity="NLL (nats)")
