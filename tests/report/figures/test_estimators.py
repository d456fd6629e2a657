"""The picture of bias and noise: points and bars are the numbers."""

import numpy as np
import pytest

from bayesnn_spike.report.figures import EstimatorLine, estimator_figure, png_bytes

X = np.array([0.0, 1.0, 2.0])
BIAS, ERROR, NOISE = np.array([0.1, 0.4, 0.8]), np.array([0.01, 0.02, 0.05]), np.array([2, 3, 4.0])


def test_bias_above_noise_below_one_column_a_panel() -> None:
    figure = estimator_figure(
        [
            EstimatorLine("A", "x", "hard", X, BIAS, ERROR, NOISE),
            EstimatorLine("A", "x", "score", X, 0 * BIAS, ERROR, 10 * NOISE, losses_only=True),
            EstimatorLine("A", "x", "mean", X, BIAS, 0 * ERROR, 0 * NOISE),
            EstimatorLine("B", "tau", "score", X + 1, BIAS, ERROR, NOISE, losses_only=True),
        ]
    )
    top_a, top_b, bottom_a, bottom_b = figure.axes
    assert [axes.get_title(loc="left") for axes in (top_a, top_b)] == ["A", "B"]
    assert [bottom_a.get_xlabel(), bottom_b.get_xlabel()] == ["x", "tau"]
    hard, score, _ = top_a.containers
    np.testing.assert_array_equal(hard.lines[0].get_xydata(), np.stack([X, BIAS], 1))
    bars = hard.lines[2][0].get_segments()
    np.testing.assert_allclose(
        [[y for _, y in bar] for bar in bars], np.stack([BIAS - 2 * ERROR, BIAS + 2 * ERROR], 1)
    )
    assert hard.lines[0].get_linestyle() == "-"
    assert score.lines[0].get_linestyle() == "--"
    assert top_b.containers[0].lines[0].get_color() == score.lines[0].get_color()
    assert hard.lines[0].get_color() != score.lines[0].get_color()
    np.testing.assert_array_equal(bottom_a.lines[1].get_ydata(), 10 * NOISE)
    assert len(bottom_a.lines[2].get_xdata()) == 0  # no noise, no point on a logarithmic axis
    assert bottom_a.get_yscale() == "log"
    assert (bottom_a.get_xscale(), bottom_b.get_xscale()) == ("linear", "log")
    assert top_a.get_ylim()[1] == pytest.approx(1.08 * 0.8)
    assert bottom_a.get_ylim() == bottom_b.get_ylim()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["hard", "score", "mean"]
    assert png_bytes(figure)[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("x", "bias", "message"),
    [([0, 1], BIAS, "needs arrays"), ([2, 1, 0], BIAS, "ascending x"), ([], [], "needs arrays")],
)
def test_wrong_lines_are_refused(x: list, bias: object, message: str) -> None:
    same = bias if len(x) else []
    with pytest.raises(ValueError, match=message):
        EstimatorLine("A", "x", "hard", np.array(x), bias, same, same)


def test_no_line_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one line"):
        estimator_figure([])
