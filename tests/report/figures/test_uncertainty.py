"""Histograms of uncertainty are numpy's histograms."""

import numpy as np
import pytest
import torch

from bayesnn_spike.report.figures import png_bytes, uncertainty_histograms
from bayesnn_spike.rng import Stream

VALUES = Stream(0).numpy().gamma(1.5, 0.1, 400)
RIGHT = Stream(1).numpy().random(400) > VALUES


def _stairs(axes):
    """The outlines by the first word of their label."""
    return {
        patch.get_label().split()[0]: patch.get_data()
        for patch in axes.patches
        if patch.get_label()
    }


def test_the_heights_are_shares_of_each_group():
    figure = uncertainty_histograms({"rule": (VALUES, RIGHT)}, bins=12)
    (axes,) = figure.axes
    edges = np.linspace(0, VALUES.max(), 13)
    drawn = _stairs(axes)
    for word, group in (("right", RIGHT), ("wrong", ~RIGHT)):
        expected = np.histogram(VALUES[group], edges)[0] / group.sum()
        np.testing.assert_allclose(drawn[word].values, expected)
        np.testing.assert_allclose(drawn[word].edges, edges)
        assert drawn[word].values.sum() == pytest.approx(1)
    medians = sorted(line.get_xdata()[0] for line in axes.lines)
    expected = sorted([np.median(VALUES[RIGHT]), np.median(VALUES[~RIGHT])])
    np.testing.assert_allclose(medians, expected)
    assert axes.get_xlabel() == "Epistemic uncertainty (nats)"


def test_panels_share_their_bins():
    figure = uncertainty_histograms({"a": (VALUES, RIGHT), "b": (VALUES / 2, RIGHT)})
    first, second = (_stairs(axes)["right"].edges for axes in figure.axes)
    np.testing.assert_array_equal(first, second)


def test_tensors_are_taken_and_an_empty_group_is_named():
    values = torch.tensor(VALUES)
    figure = uncertainty_histograms({"rule": (values, torch.ones(400, dtype=torch.bool))})
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["right (400)", "wrong (0)"]
    assert png_bytes(figure)[:4] == b"\x89PNG"


def test_equal_values_can_be_drawn():
    figure = uncertainty_histograms({"rule": (np.zeros(5), np.ones(5, bool))})
    assert png_bytes(figure)[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ((VALUES, RIGHT[:3]), r"'rule': .* got \(400,\) and \(3,\)"),
        ((VALUES[None], RIGHT[None]), r"must be \[N\]"),
        ((np.array([np.nan]), np.array([True])), "values that are not finite"),
    ],
)
def test_wrong_arrays_are_refused(pair, message):
    with pytest.raises(ValueError, match=message):
        uncertainty_histograms({"rule": pair})


def test_no_panel_is_refused():
    with pytest.raises(ValueError, match="at least one panel"):
        uncertainty_histograms({})
