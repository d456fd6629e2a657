"""report/figures/continual: what is drawn are the matrices that were given."""

import numpy as np
import pytest

from bayesnn_spike.report.figures import accuracy_matrices, png_bytes

ONE = np.array([[0.9, 0.1], [0.45, 0.8]])
ROWS = {
    "class-incremental": {"naive": ONE, "bayes": ONE / 2},
    "task-incremental": {"naive": ONE.T, "bayes": np.ones((2, 2))},
}


def test_every_matrix_is_in_its_panel_with_its_numbers() -> None:
    figure = accuracy_matrices(ROWS, ["0, 1", "2, 3"])
    panels = figure.axes[:4]
    shown = [np.asarray(axes.images[0].get_array()) for axes in panels]
    given = [m for panels in ROWS.values() for m in panels.values()]
    for found, expected in zip(shown, given, strict=True):
        np.testing.assert_allclose(found, expected)
    assert [text.get_text() for text in panels[0].texts] == ["90", "10", "45", "80"]
    assert [axes.get_title(loc="left") for axes in panels] == ["naive", "bayes", "", ""]
    assert panels[0].get_ylabel() == "class-incremental\nafter learning"
    assert {axes.images[0].get_clim() for axes in panels} == {(0, 1)}
    assert png_bytes(figure).startswith(b"\x89PNG")


def test_one_row_is_a_picture_too() -> None:
    figure = accuracy_matrices({"class-incremental": {"naive": ONE}}, ["0", "1"])
    assert len(figure.axes) == 2  # the panel and the colour bar


def test_matrices_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="need at least one matrix"):
        accuracy_matrices({}, [])
    with pytest.raises(ValueError, match=r"must be \[3, 3\] .*, got \[2, 2\]"):
        accuracy_matrices({"a": {"m": ONE}}, ["0", "1", "2"])
    with pytest.raises(ValueError, match=r"values in \[0, 1\]"):
        accuracy_matrices({"a": {"m": 2 * ONE}}, ["0", "1"])
    with pytest.raises(ValueError, match=r"row 'b' has methods \['n'\], the first \['m'\]"):
        accuracy_matrices({"a": {"m": ONE}, "b": {"n": ONE}}, ["0", "1"])
