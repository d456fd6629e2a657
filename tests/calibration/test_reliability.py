"""The table behind the scores and the diagrams."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from bayesnn_spike.calibration import (
    L1,
    EqualMass,
    EqualWidth,
    Max,
    class_reliability_table,
    consistency_bars,
    ece,
    mce,
    reliability_table,
)
from bayesnn_spike.rng import Stream
from tests.calibration.cases import from_confidence, random_case, three_bins


def test_three_bins_by_hand():
    table = reliability_table(*three_bins(), binning=EqualWidth(3))
    np.testing.assert_array_equal(table.count, [0, 2, 4])
    np.testing.assert_allclose(table.confidence, [np.nan, 0.5, 0.85])
    np.testing.assert_allclose(table.accuracy, [np.nan, 0.5, 0.25])
    np.testing.assert_allclose(table.gap, [0, 0, -0.6], atol=1e-12)
    np.testing.assert_allclose(table.low, [0, 1 / 3, 2 / 3])
    np.testing.assert_allclose(table.high, [1 / 3, 2 / 3, 1])
    assert table.examples == 6


@pytest.mark.parametrize("binning", [EqualWidth(15), EqualMass(15)])
def test_the_score_is_the_sum_of_the_table(binning):
    probs, labels = random_case(seed=2, sharpness=2.0)
    table = reliability_table(probs, labels, binning=binning)
    assert table.error(L1()) == ece(probs, labels, binning=binning).value
    assert table.error(Max()) == mce(probs, labels, binning=binning).value


def test_a_class_table_against_scikit_learn():
    probs, labels = random_case(seed=8)
    table = class_reliability_table(probs, labels, 2, binning=EqualWidth(10))
    accuracy, mean = calibration_curve((labels == 2).astype(int), probs[:, 2], n_bins=10)
    filled = table.count > 0
    np.testing.assert_allclose(table.accuracy[filled], accuracy)
    np.testing.assert_allclose(table.confidence[filled], mean)
    assert table.definition.startswith("class 2, 10 equal-width bins")


@pytest.mark.parametrize("class_index", [-1, 5])
def test_a_class_that_is_not_there_is_refused(class_index):
    with pytest.raises(ValueError, match=r"class_index must lie in \[0, 5\)"):
        class_reliability_table(*random_case(), class_index)


def test_a_table_cannot_be_changed():
    table = reliability_table(*three_bins())
    with pytest.raises(ValueError, match="read-only"):
        table.accuracy[0] = 1


def test_consistency_bars_hold_a_calibrated_model_and_not_an_overconfident_one():
    how = {"stream": Stream(0), "level": 0.99, "draws": 400}
    calibrated, labels = random_case(4000, seed=1)
    table = reliability_table(calibrated, labels)
    low, high = consistency_bars(calibrated, **how)
    filled = table.count > 0
    inside = (low <= table.accuracy)[filled] & (table.accuracy <= high)[filled]
    assert inside.all()
    sharp, labels = random_case(4000, seed=1, sharpness=3.0)
    table = reliability_table(sharp, labels)
    low, _ = consistency_bars(sharp, **how)
    crowded = table.count > 100
    assert (table.accuracy < low)[crowded].all()
    np.testing.assert_array_equal(np.isnan(low), table.count == 0)


def test_consistency_bars_are_the_binomials_quantiles():
    probs, _ = from_confidence(np.full(100, 0.8), np.ones(100))
    low, high = consistency_bars(probs, stream=Stream(3), binning=EqualWidth(1), draws=4000)
    # Binomial(100, .8): the 2.5 and 97.5 % points are 72 and 87.
    assert abs(low[0] - 0.72) <= 0.01
    assert abs(high[0] - 0.87) <= 0.01


def test_no_draws_are_refused():
    with pytest.raises(ValueError, match="draws must be at least 1"):
        consistency_bars(random_case()[0], stream=Stream(0), draws=0)
