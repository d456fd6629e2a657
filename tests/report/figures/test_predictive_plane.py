"""Predictions over the plane: which panels there are, what they show, on which scales."""

from dataclasses import replace

import numpy as np
import pytest

from bayesnn_spike.report.figures import (
    PredictiveMap,
    TrainingPoints,
    png_bytes,
    predictive_plane,
)

X, Y = np.linspace(0, 1, 21), np.linspace(0, 0.5, 11)
# A probability that crosses 0.5 along x = 0.25; of its entropy a tenth is epistemic.
PROBABILITY = np.tile(1 / (1 + np.exp(-4 * (X - 0.25))), (11, 1))
ENTROPY = -(PROBABILITY * np.log(PROBABILITY) + (1 - PROBABILITY) * np.log(1 - PROBABILITY))
ONE = PredictiveMap("one network", PROBABILITY, ENTROPY, ENTROPY, np.zeros((11, 21)))
MANY = PredictiveMap("committee", PROBABILITY, ENTROPY, 0.9 * ENTROPY, 0.1 * ENTROPY)
POINTS = TrainingPoints(np.array([[0.0, 0.1], [0.5, 0.4], [0.2, 0.2]]), np.array([0, 1, 0]))


def panels(figure):
    """Return the axes that show the plane, by row."""
    shown = [axes for axes in figure.axes if axes.get_xlim() == (0, 1) and axes.collections]
    shown = [axes for axes in shown if axes.get_aspect() == 1]
    return [shown[: len(shown) // 2], shown[len(shown) // 2 :]]


def test_a_column_for_each_map_and_one_for_the_parts_of_a_committee():
    figure = predictive_plane([ONE, MANY], X, Y, points=POINTS, classes=("up", "down"))
    above, below = panels(figure)
    assert [axes.get_title(loc="left") for axes in above] == [
        "one network",
        "committee",
        "committee:\nits two parts",
    ]
    assert len(below) == 3
    labels = [axes.get_ylabel() for axes in figure.axes if axes not in above + below]
    assert labels == [
        "Probability of down",
        "Predictive entropy (nats)",
        "Aleatoric part (nats)",
        "Epistemic part (nats)",
    ]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["training points, up", "training points, down", "probability 0.5"]
    assert png_bytes(figure)[:4] == b"\x89PNG"


def test_boundary_points_and_scales_are_the_data():
    above, below = panels(predictive_plane([ONE, MANY], X, Y, points=POINTS))
    limits = {0: (0, 1), 1: (0, np.log(2))}
    for row, (first, second, _) in enumerate((above, below)):
        for axes in (first, second):
            filled, boundary, zeros, ones = axes.collections
            assert (filled.levels[0], filled.levels[-1]) == pytest.approx(limits[row])
            (path,) = boundary.get_paths()
            np.testing.assert_allclose(path.vertices[:, 0], 0.25, atol=0.005)
            np.testing.assert_array_equal(zeros.get_offsets(), POINTS.xy[[0, 2]])
            np.testing.assert_array_equal(ones.get_offsets(), POINTS.xy[[1]])
    aleatoric, epistemic = (row[2].collections[0].levels[-1] for row in (above, below))
    assert aleatoric == pytest.approx(np.log(2))
    assert epistemic == pytest.approx(0.08), "the largest value 0.069, rounded up"


def test_networks_that_agree_have_no_second_column():
    above, _ = panels(predictive_plane([ONE], X, Y))
    assert [axes.get_title(loc="left") for axes in above] == ["one network"]


def test_a_plane_of_one_class_has_no_boundary():
    sure = replace(ONE, probability=np.full((11, 21), 0.9))
    above, below = panels(predictive_plane([sure], X, Y))
    assert [len(axes.collections) for axes in above + below] == [1, 1]


def test_wrong_maps_are_refused():
    with pytest.raises(ValueError, match="at least one map"):
        predictive_plane([], X, Y)
    with pytest.raises(ValueError, match=r"aleatoric of 'one network' must be \[H, W\] = \(11, 21"):
        predictive_plane([replace(ONE, aleatoric=ENTROPY.T)], X, Y)
