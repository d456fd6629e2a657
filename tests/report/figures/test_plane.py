"""The map over the plane: colours, boundary, points."""

import numpy as np
import pytest

from bayesnn_spike.report.figures import PlaneMap, TrainingPoints, png_bytes, uncertainty_map

X, Y = np.linspace(-1, 1, 21), np.linspace(-0.5, 0.5, 11)
# A probability that crosses 0.5 along x = 0.25, and its entropy.
PROBABILITY = np.tile(1 / (1 + np.exp(-4 * (X - 0.25))), (11, 1))
ENTROPY = -(PROBABILITY * np.log(PROBABILITY) + (1 - PROBABILITY) * np.log(1 - PROBABILITY))
POINTS = TrainingPoints(np.array([[0.0, 0.1], [0.5, -0.1], [-0.5, 0.2]]), np.array([0, 1, 0]))


def test_boundary_points_and_scale_are_the_data():
    figure = uncertainty_map(
        [PlaneMap("rule", ENTROPY, PROBABILITY)], X, Y, points=POINTS, limits=(0, np.log(2))
    )
    axes = figure.axes[0]
    filled, boundary, zeros, ones = axes.collections
    np.testing.assert_allclose(filled.levels, np.linspace(0, np.log(2), 13))
    (path,) = boundary.get_paths()
    np.testing.assert_allclose(path.vertices[:, 0], 0.25, atol=0.005)
    np.testing.assert_array_equal(zeros.get_offsets(), POINTS.xy[[0, 2]])
    np.testing.assert_array_equal(ones.get_offsets(), POINTS.xy[[1]])
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["training points, class 0", "training points, class 1", "decision boundary"]
    assert png_bytes(figure)[:4] == b"\x89PNG"


def test_maps_share_one_scale():
    figure = uncertainty_map([PlaneMap("a", ENTROPY), PlaneMap("b", ENTROPY / 2)], X, Y)
    first, second = (axes.collections[0] for axes in figure.axes[:2])
    assert first.get_clim() == second.get_clim()
    assert first.levels[-1] == pytest.approx(ENTROPY.max())
    assert not figure.legends


def test_a_map_of_zeros_can_be_drawn():
    assert png_bytes(uncertainty_map([PlaneMap("a", np.zeros((11, 21)))], X, Y))[:4] == b"\x89PNG"


def test_wrong_maps_are_refused():
    with pytest.raises(ValueError, match="at least one map"):
        uncertainty_map([], X, Y)
    with pytest.raises(ValueError, match=r"values of 'a' must be \[H, W\] = \(11, 21\)"):
        uncertainty_map([PlaneMap("a", ENTROPY.T)], X, Y)
    with pytest.raises(ValueError, match="probability of 'a'"):
        uncertainty_map([PlaneMap("a", ENTROPY, PROBABILITY[:3])], X, Y)
    with pytest.raises(ValueError, match="limits must be in ascending order"):
        uncertainty_map([PlaneMap("a", ENTROPY)], X, Y, limits=(1.0, 0.0))
