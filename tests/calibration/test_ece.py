"""The ECE family: cases by hand, netcal and scikit-learn where the definitions agree."""

import math

import numpy as np
import pytest
from netcal.metrics import ACE, ECE, MCE
from sklearn.calibration import calibration_curve

from bayesnn_spike.calibration import (
    L1,
    L2,
    EqualMass,
    EqualWidth,
    Max,
    RightClosed,
    classwise_ece,
    debiased_ece,
    ece,
    mce,
    reliability_table,
)
from tests.calibration.cases import from_confidence, random_case, three_bins


def test_a_perfect_predictor_has_none():
    probs, labels = np.eye(4), np.arange(4)
    assert ece(probs, labels).value == 0
    assert mce(probs, labels).value == 0
    assert classwise_ece(probs, labels).value == 0


def test_confidence_one_and_all_wrong_is_one():
    probs, labels = np.eye(4), (np.arange(4) + 1) % 4
    assert ece(probs, labels).value == 1
    assert mce(probs, labels).value == 1
    assert ece(probs, labels, binning=EqualMass(15)).value == 1


@pytest.mark.parametrize(
    ("norm", "expected"),
    [(L1(), 4 / 6 * 0.6), (L2(), math.sqrt(4 / 6 * 0.6**2)), (Max(), 0.6)],
)
def test_three_bins_by_hand(norm, expected):
    probs, labels = three_bins()
    score = ece(probs, labels, binning=EqualWidth(3), norm=norm)
    assert score.value == pytest.approx(expected, rel=1e-12)


def test_the_definition_is_complete():
    probs, labels = three_bins()
    assert ece(probs, labels).definition == (
        "top label, 15 equal-width bins, left-closed, last bin closed, L1, 6 examples"
    )
    assert mce(probs, labels, binning=EqualMass(2)).definition == (
        "top label, 2 equal-mass bins, ties kept together, max, 6 examples"
    )


def test_the_closed_side_matters_on_an_edge():
    # .5 is right and .9 is wrong: apart, the gaps add up; in one bin they cancel in part.
    probs, labels = from_confidence(np.array([0.5, 0.9]), np.array([1, 0]))
    left = ece(probs, labels, binning=EqualWidth(2)).value
    right = ece(probs, labels, binning=EqualWidth(2, RightClosed())).value
    assert left == pytest.approx(0.2)
    assert right == pytest.approx((0.5 + 0.9) / 2)


@pytest.mark.parametrize("sharpness", [0.6, 1.0, 2.5])
@pytest.mark.parametrize("bins", [10, 15, 20])
def test_against_netcal(sharpness, bins):
    probs, labels = random_case(500, seed=bins, sharpness=sharpness)
    ours = ece(probs, labels, binning=EqualWidth(bins)).value
    np.testing.assert_allclose(ours, ECE(bins).measure(probs, labels), rtol=1e-10)
    ours = mce(probs, labels, binning=EqualWidth(bins)).value
    np.testing.assert_allclose(ours, MCE(bins).measure(probs, labels), rtol=1e-10)


def test_equal_mass_against_netcal():
    # netcal cuts at interpolated quantiles; ranks agree with them where bins divide the examples.
    probs, labels = random_case(500, seed=5, sharpness=0.8)
    ours = ece(probs, labels, binning=EqualMass(10)).value
    theirs = ECE(10, equal_intervals=False).measure(probs, labels)
    np.testing.assert_allclose(ours, theirs, rtol=1e-10)


def test_netcals_ace_is_the_unweighted_mean_of_the_gaps():
    """netcal's ACE is not our adaptive ECE; the table gives it all the same."""
    probs, labels = random_case(500, seed=6, sharpness=2.0)
    table = reliability_table(probs, labels, binning=EqualWidth(10))
    ours = np.abs(table.gap)[table.count > 0].mean()
    np.testing.assert_allclose(ours, ACE(10).measure(probs, labels), rtol=1e-10)


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_classwise_against_scikit_learn(strategy):
    probs, labels = random_case(600, seed=7, sharpness=1.7)
    binning = EqualWidth(10) if strategy == "uniform" else EqualMass(10)
    expected = []
    for c in range(probs.shape[1]):
        outcome = (labels == c).astype(int)
        accuracy, mean = calibration_curve(outcome, probs[:, c], n_bins=10, strategy=strategy)
        if strategy == "uniform":
            counts = np.histogram(probs[:, c], bins=np.linspace(0, 1, 11))[0]
            shares = counts[counts > 0] / len(labels)
        else:
            shares = np.full(10, 0.1)
        expected.append((shares * np.abs(accuracy - mean)).sum())
    ours = classwise_ece(probs, labels, binning=binning).value
    np.testing.assert_allclose(ours, np.mean(expected), rtol=1e-10)


def test_classwise_counts_every_class_once():
    # Class 0 is certain and wrong for both examples, class 1 the same mirrored, class 2 is right.
    probs, labels = np.array([[1.0, 0, 0], [1.0, 0, 0]]), np.array([1, 1])
    assert classwise_ece(probs, labels).value == pytest.approx(2 / 3)


def test_debiasing_by_hand():
    # One bin of 5: confidence .8, three right: gap -.2, variance .6 * .4 / 4 = .06 > .04.
    probs, labels = from_confidence(np.full(5, 0.8), np.array([1, 1, 1, 0, 0]))
    assert debiased_ece(probs, labels).value == 0
    # All wrong: no variance, nothing to take out, in either norm.
    probs, labels = from_confidence(np.full(5, 0.8), np.zeros(5))
    assert debiased_ece(probs, labels).value == pytest.approx(0.8)
    assert debiased_ece(probs, labels, norm=L1()).value == pytest.approx(0.8)
    # L1: gap g = -.2, sd s = sqrt(.06); excess of the folded normal over |g|.
    probs, labels = from_confidence(np.full(5, 0.8), np.array([1, 1, 1, 0, 0]))
    s, g = math.sqrt(0.06), 0.2
    folded = s * math.sqrt(2 / math.pi) * math.exp(-(g**2) / (2 * s**2))
    folded += g * math.erf(g / (s * math.sqrt(2)))
    value = debiased_ece(probs, labels, norm=L1()).value
    assert value == pytest.approx(max(0.0, 2 * g - folded))
    assert 0 < value < 0.2


def test_debiasing_leaves_lone_examples_out_and_says_so():
    probs, labels = three_bins()
    assert "6 examples alone in a bin left out" in debiased_ece(probs, labels).definition
    assert debiased_ece(probs, labels).value == 0


def test_debiased_squared_error_is_unbiased_for_a_known_gap():
    """Confidence .9, accuracy .8, n = 50: the mean of the corrected square is .01."""
    generator = np.random.Generator(np.random.Philox(1))
    plain, corrected = [], []
    for _ in range(3000):
        right = (generator.random(50) < 0.8).astype(float)
        a = right.mean()
        plain.append((a - 0.9) ** 2)
        corrected.append((a - 0.9) ** 2 - a * (1 - a) / 49)
    error = np.std(corrected) / math.sqrt(3000)
    assert abs(np.mean(corrected) - 0.01) < 4 * error
    assert np.mean(plain) - 0.01 > 4 * error
    # and the last draw, through the public function
    probs, labels = from_confidence(np.full(50, 0.9), right)
    value = debiased_ece(probs, labels).value
    assert value == pytest.approx(math.sqrt(max(0, corrected[-1])))


def test_debiasing_refuses_the_maximum():
    probs, labels = three_bins()
    with pytest.raises(ValueError, match=r"L1\(\) and L2\(\) only, got Max\(\)"):
        debiased_ece(probs, labels, norm=Max())


def test_no_example_is_lost_between_bins():
    """Votes of 10 networks sit on the edges of 10 bins; every one is counted once."""
    confidence = np.repeat(np.arange(5, 11) / 10, 3)
    probs, labels = from_confidence(confidence, np.ones(18), classes=2)
    assert ece(probs, labels, binning=EqualWidth(10)).value == pytest.approx(
        (1 - confidence).mean()
    )
