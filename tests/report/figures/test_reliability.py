"""What is drawn is the table: heights, places and widths of the bars."""

import numpy as np
import pytest

from bayesnn_spike.calibration import (
    EqualMass,
    EqualWidth,
    ReliabilityTable,
    consistency_bars,
    reliability_table,
)
from bayesnn_spike.report.figures import (
    ReliabilityPanel,
    png_bytes,
    reliability_diagram,
    reliability_grid,
)
from bayesnn_spike.rng import Stream
from tests.calibration.cases import random_case, three_bins


def _containers(axes):
    return {container.get_label(): container.patches for container in axes.containers}


def _heights(patches):
    return [patch.get_height() for patch in patches]


@pytest.mark.parametrize("binning", [EqualWidth(15), EqualMass(15)])
def test_the_bars_are_the_table(binning):
    table = reliability_table(*random_case(500, seed=1, sharpness=2.0), binning=binning)
    filled = table.count > 0
    figure = reliability_diagram(ReliabilityPanel("rule", table))
    upper, lower = figure.axes
    drawn = _containers(upper)
    np.testing.assert_allclose(_heights(drawn["accuracy"]), table.accuracy[filled])
    np.testing.assert_allclose(
        _heights(_containers(lower)["share of examples"]), table.count[filled] / 500
    )
    for patch, low, high in zip(
        drawn["accuracy"], table.low[filled], table.high[filled], strict=True
    ):
        assert patch.get_x() <= low + 1e-9
        assert patch.get_x() + patch.get_width() >= high - 1e-9
    over, under = filled & (table.gap < 0), filled & (table.gap > 0)
    np.testing.assert_allclose(_heights(drawn["overconfident"]), -table.gap[over])
    np.testing.assert_allclose(_heights(drawn["underconfident"]), -table.gap[under])
    bottoms = [patch.get_y() for patch in drawn["overconfident"]]
    np.testing.assert_allclose(bottoms, table.accuracy[over])


def test_three_bins_by_hand():
    table = reliability_table(*three_bins(), binning=EqualWidth(3))
    figure = reliability_diagram(ReliabilityPanel("rule", table, note="ECE 0.4"))
    upper, lower = figure.axes
    np.testing.assert_allclose(_heights(_containers(upper)["accuracy"]), [0.5, 0.25])
    np.testing.assert_allclose(_heights(_containers(lower)["share of examples"]), [1 / 3, 2 / 3])
    # The gap of the last bin reaches from accuracy .25 up to confidence .85.
    (gap,) = _containers(upper)["overconfident"]
    assert (gap.get_y(), gap.get_y() + gap.get_height()) == pytest.approx((0.25, 0.85))
    lines = {line.get_label(): line.get_xdata()[0] for line in lower.lines}
    assert lines["mean accuracy"] == pytest.approx(2 / 6)
    assert lines["mean confidence"] == pytest.approx((0.4 + 0.6 + 0.7 + 0.8 + 0.9 + 1.0) / 6)
    assert "ECE 0.4" in [text.get_text() for text in upper.texts]
    assert upper.get_title(loc="left") == "rule"


def test_consistency_bars_stand_at_the_mean_confidence():
    probs, labels = random_case(300, seed=2)
    table = reliability_table(probs, labels)
    bars = consistency_bars(probs, stream=Stream(0), draws=50)
    upper = reliability_diagram(ReliabilityPanel("rule", table, bars)).axes[0]
    (lines,) = [c for c in upper.collections if c.get_label() == "consistency"]
    filled = table.count > 0
    segments = np.array(lines.get_segments())
    np.testing.assert_allclose(segments[:, 0, 0], table.confidence[filled])
    np.testing.assert_allclose(segments[:, 0, 1], bars[0][filled])
    np.testing.assert_allclose(segments[:, 1, 1], bars[1][filled])


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (4, 2), (5, 3), (7, 3)])
def test_a_grid_has_a_pair_of_axes_for_each_panel(count, columns):
    table = reliability_table(*random_case(50))
    figure = reliability_grid([ReliabilityPanel(f"rule {i}", table) for i in range(count)])
    assert len(figure.axes) == 2 * count
    lefts = {axes.get_subplotspec().colspan.start for axes in figure.axes}
    assert len(lefts) == columns


def test_a_diagram_becomes_a_png():
    table = reliability_table(*random_case(50))
    assert png_bytes(reliability_diagram(ReliabilityPanel("rule", table)))[:4] == b"\x89PNG"


def test_all_panels_share_their_axes():
    tables = [reliability_table(*random_case(50, sharpness=s)) for s in (0.3, 4.0)]
    figure = reliability_grid([ReliabilityPanel("rule", table) for table in tables])
    assert figure.axes[2].get_ylim() == figure.axes[3].get_ylim()
    assert {axes.get_xlim() for axes in figure.axes} == {(0.0, 1.0)}


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="need a panel and a column, got 0"):
        reliability_grid([])
    table = reliability_table(*random_case(5))
    with pytest.raises(ValueError, match="got 1 and 0"):
        reliability_grid([ReliabilityPanel("rule", table)], columns=0)
    nan = np.full(2, np.nan)
    empty = ReliabilityTable(np.zeros(2, int), nan, nan, np.zeros(2), np.ones(2), "")
    with pytest.raises(ValueError, match="the table of 'rule' holds no examples"):
        reliability_diagram(ReliabilityPanel("rule", empty))
