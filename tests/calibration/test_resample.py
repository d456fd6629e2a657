"""A row of counts is a resample: every shortcut equals scoring the drawn examples."""

import numpy as np
import pytest

from bayesnn_spike.calibration import L1, L2, EqualMass, EqualWidth, Max, ece
from bayesnn_spike.calibration.inputs import top_label
from bayesnn_spike.calibration.resample import example_counts, resampled_errors, seed_shares
from bayesnn_spike.rng import Stream
from tests.calibration.cases import random_case


@pytest.mark.parametrize("binning", [EqualWidth(15), EqualMass(15), EqualMass(500)])
@pytest.mark.parametrize("norm", [L1(), L2(), Max()])
def test_errors_of_resamples_equal_the_ece_of_the_repeated_examples(binning, norm):
    probs, labels = random_case(120, seed=11, sharpness=1.5)
    probs[5:20] = probs[5]  # ties, which equal-mass bins must keep together
    (counts,) = example_counts(Stream(0), 120, 20)
    fast = resampled_errors(*top_label(probs, labels), counts, binning, norm)
    for row, value in zip(counts, fast, strict=True):
        index = np.repeat(np.arange(120), row)
        slow = ece(probs[index], labels[index], binning=binning, norm=norm).value
        np.testing.assert_allclose(value, slow, rtol=1e-10, atol=1e-12)


def test_every_resample_has_as_many_examples_as_there_are():
    blocks = list(example_counts(Stream(1), 50, 30))
    assert np.concatenate(blocks).shape == (30, 50)
    np.testing.assert_array_equal(np.concatenate(blocks).sum(axis=1), 50)


def test_the_block_size_changes_nothing():
    whole = np.concatenate(list(example_counts(Stream(2), 37, 101)))
    small = list(example_counts(Stream(2), 37, 101, block_bytes=8 * 37 * 7))
    assert len(small) == 15
    np.testing.assert_array_equal(np.concatenate(small), whole)


def test_every_example_is_drawn_equally_often():
    counts = np.concatenate(list(example_counts(Stream(3), 10, 5000)))
    # Counts are multinomial: mean 1, variance 0.9 each.
    assert np.abs(counts.mean(axis=0) - 1).max() < 4.5 * np.sqrt(0.9 / 5000)


def test_seed_shares_sum_to_one():
    shares = seed_shares(Stream(4), 5, 200)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_array_equal(seed_shares(Stream(4), 1, 3), np.ones((3, 1)))
