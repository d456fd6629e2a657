"""The ECE of a perfectly calibrated model."""

import math

import numpy as np
import pytest

from bayesnn_spike.calibration import EqualMass, EqualWidth, ece, ece_noise_floor
from bayesnn_spike.rng import Stream
from tests.calibration.cases import from_confidence, random_case


def test_one_bin_has_the_mean_absolute_deviation_of_a_binomial():
    # |X/4 - 1/2| for X ~ Binomial(4, 1/2): .5 for 0 and 4 (1/16 each), .25 for 1 and 3 (4/16 each).
    probs, _ = from_confidence(np.full(4, 0.5), np.ones(4))
    floor = ece_noise_floor(probs, stream=Stream(0), binning=EqualWidth(1), draws=20000)
    expected = 2 * (0.5 + 4 * 0.25) / 16
    assert abs(floor.mean - expected) < 4 * floor.sd / math.sqrt(20000)
    assert float(floor) == floor.mean


@pytest.mark.parametrize("binning", [EqualWidth(15), EqualMass(10)])
def test_it_is_the_mean_ece_over_drawn_labels(binning):
    probs, _ = random_case(200)
    generator = Stream(5).numpy()
    direct = []
    for _ in range(400):
        labels = (probs.cumsum(axis=1) < generator.random((200, 1))).sum(axis=1)
        direct.append(ece(probs, np.minimum(labels, 4), binning=binning).value)
    floor = ece_noise_floor(probs, stream=Stream(1), binning=binning, draws=2000)
    error = math.hypot(np.std(direct) / math.sqrt(400), floor.sd / math.sqrt(2000))
    assert abs(floor.mean - np.mean(direct)) < 4 * error
    assert abs(floor.sd / np.std(direct, ddof=1) - 1) < 0.2
    assert floor.mean < floor.high < floor.mean + 4 * floor.sd


def test_more_examples_lower_the_floor():
    small = ece_noise_floor(random_case(250)[0], stream=Stream(2), draws=300)
    large = ece_noise_floor(random_case(4000)[0], stream=Stream(2), draws=300)
    assert large.mean < small.mean / 3


def test_certain_predictions_have_no_floor():
    assert ece_noise_floor(np.eye(3), stream=Stream(0)).mean == 0


def test_the_same_stream_gives_the_same_floor():
    probs, _ = random_case()
    assert ece_noise_floor(probs, stream=Stream(4)) == ece_noise_floor(probs, stream=Stream(4))


def test_one_draw_has_no_standard_deviation():
    with pytest.raises(ValueError, match="at least 2 draws"):
        ece_noise_floor(np.eye(2), stream=Stream(0), draws=1)
