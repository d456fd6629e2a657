"""Bootstrap intervals: closed forms, coverage, pairing."""

import math

import numpy as np
import pytest

from bayesnn_spike.calibration import (
    EqualMass,
    ece,
    ece_interval,
    ece_noise_floor,
    example_nll,
    mean_interval,
    paired_difference,
    paired_ece_difference,
)
from bayesnn_spike.rng import Stream
from tests.calibration.cases import random_case


def test_the_interval_of_a_mean_has_the_width_of_the_normal_one():
    losses = Stream(0).numpy().normal(3.0, 2.0, 2000)
    interval = mean_interval(losses, stream=Stream(1), resamples=4000)
    half = 1.96 * losses.std() / math.sqrt(2000)
    assert interval.high - interval.low == pytest.approx(2 * half, rel=0.06)
    assert (interval.high + interval.low) / 2 == pytest.approx(losses.mean(), abs=0.1 * half)
    assert interval.definition == "95 % percentile bootstrap over 2000 examples, 4000 resamples"


def test_it_covers_the_truth_as_often_as_it_says():
    generator = Stream(2).numpy()
    hits = 0
    for trial in range(300):
        losses = generator.normal(0.0, 1.0, 60)
        hits += 0.0 in mean_interval(losses, stream=Stream(trial), resamples=300, level=0.9)
    # Nominal 0.9; the bootstrap's own shortfall at n = 60 is about 0.01. Binomial sd 0.018.
    assert 0.82 < hits / 300 < 0.96


def test_seeds_add_their_variance():
    generator = Stream(3).numpy()
    offsets = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    losses = offsets[:, None] + generator.normal(0.0, 0.1, (5, 400))
    interval = mean_interval(losses, stream=Stream(0), resamples=4000)
    sd = offsets.std() / math.sqrt(5)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * sd, rel=0.1)
    assert "over 400 examples and 5 seeds" in interval.definition


def test_equal_seeds_add_nothing():
    losses = Stream(4).numpy().random(300)
    one = mean_interval(losses, stream=Stream(5))
    many = mean_interval(np.tile(losses, (4, 1)), stream=Stream(5))
    assert (one.low, one.high) == pytest.approx((many.low, many.high))


def test_pairing_takes_out_what_two_methods_share():
    generator = Stream(6).numpy()
    shared = generator.normal(0.0, 5.0, 500)
    a = shared + 0.1 + generator.normal(0.0, 0.1, (3, 500))
    b = shared + generator.normal(0.0, 0.1, (3, 500))
    difference = paired_difference(a, b, stream=Stream(7))
    assert float(difference) == pytest.approx((a - b).mean())
    assert difference.excludes_zero
    assert difference.share_below_zero == 0
    assert difference.interval.high - difference.interval.low < 0.05
    alone = mean_interval(a, stream=Stream(7))
    assert alone.high - alone.low > 0.5


def test_a_difference_changes_its_sign_with_the_order():
    a, b = Stream(8).numpy().random((2, 4, 50))
    forth = paired_difference(a, b, stream=Stream(9))
    back = paired_difference(b, a, stream=Stream(9))
    assert forth.value == -back.value
    assert forth.interval.low == pytest.approx(-back.interval.high)


def test_a_method_does_not_differ_from_itself():
    probs, labels = random_case(100)
    losses = example_nll(probs, labels)
    difference = paired_difference(losses, losses, stream=Stream(0))
    assert (difference.interval.low, difference.interval.high) == (0, 0)
    assert not difference.excludes_zero
    same = paired_ece_difference(probs, probs, labels, stream=Stream(0), resamples=50)
    assert same.value == same.interval.low == same.interval.high == 0


def test_an_overconfident_model_has_a_higher_ece():
    calibrated, labels = random_case(3000, seed=12)
    sharp, _ = random_case(3000, seed=12, sharpness=2.0)
    difference = paired_ece_difference(sharp, calibrated, labels, stream=Stream(1), resamples=500)
    expected = ece(sharp, labels).value - ece(calibrated, labels).value
    assert difference.value == pytest.approx(expected, rel=1e-10)
    assert difference.interval.low > 0.02
    assert difference.share_below_zero == 0


@pytest.mark.parametrize("binning", [EqualMass(10), None])
def test_the_ece_interval_over_seeds_is_of_the_mean_over_seeds(binning):
    probs, labels = random_case(300, seed=13, sharpness=3.0)
    softer, _ = random_case(300, seed=13, sharpness=2.0)
    extra = {} if binning is None else {"binning": binning}
    both = ece_interval(np.stack([probs, softer]), labels, stream=Stream(2), **extra)
    one = ece_interval(probs, labels, stream=Stream(2), **extra)
    other = ece_interval(softer, labels, stream=Stream(2), **extra)
    assert other.low < both.low
    assert both.high < one.high
    assert ece(probs, labels, **extra).value in one


def test_the_documented_shift_of_an_ece_at_the_noise_floor():
    """The docstring warns that the interval can lie above the value; here it does, upwards."""
    probs, labels = random_case(300, seed=14)
    interval = ece_interval(probs, labels, stream=Stream(3))
    value = ece(probs, labels).value
    assert value < ece_noise_floor(probs, stream=Stream(4)).high
    assert (interval.low + interval.high) / 2 > value


def test_the_same_stream_gives_the_same_interval():
    losses = Stream(10).numpy().random((3, 80))
    first = mean_interval(losses, stream=Stream(11))
    assert mean_interval(losses, stream=Stream(11)) == first
    assert mean_interval(losses, stream=Stream(12)) != first


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, float("nan")])
def test_a_senseless_level_is_refused(level):
    with pytest.raises(ValueError, match="level must lie strictly between 0 and 1"):
        mean_interval(np.zeros(3), stream=Stream(0), level=level)


def test_no_resamples_are_refused():
    with pytest.raises(ValueError, match="resamples must be at least 1"):
        mean_interval(np.zeros(3), stream=Stream(0), resamples=0)


def test_unequal_seeds_are_refused():
    with pytest.raises(ValueError, match=r"got \[S, N\] = \[2, 3\] and \[1, 3\]"):
        paired_difference(np.zeros((2, 3)), np.zeros((1, 3)), stream=Stream(0))
    probs, labels = random_case(20)
    with pytest.raises(ValueError, match="needs the same seeds"):
        paired_ece_difference(probs, np.stack([probs, probs]), labels, stream=Stream(0))
