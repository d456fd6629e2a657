"""Bands and the test of uniform ranks: binomials by hand, coverage by simulation."""

from math import comb

import numpy as np
import pytest

from bayesnn_spike.calibration.uniform_ranks import (
    cumulative_band,
    cumulative_counts,
    histogram_band,
    rank_histogram,
    uniformity,
)
from bayesnn_spike.rng import Stream

STREAM = Stream(3)


def at_most(k: int, n: int, p: float) -> float:
    return sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))


def test_histogram_and_cumulative_counts() -> None:
    ranks = np.array([0, 1, 1, 5, 7, 7, 2])
    assert rank_histogram(ranks, 7, 4).tolist() == [3, 1, 1, 2]
    assert cumulative_counts(ranks, 7).tolist() == [1, 3, 4, 4, 4, 5, 5]


def test_the_histogram_s_band_is_binomial() -> None:
    band = histogram_band(100, 5, level=0.9)
    low, high, share = int(band.low[0]), int(band.high[0]), 0.1 / 5 / 2
    assert at_most(low - 1, 100, 0.2) < share <= at_most(low, 100, 0.2)
    assert 1 - at_most(high, 100, 0.2) < share <= 1 - at_most(high - 1, 100, 0.2)
    assert band.expected.tolist() == [20] * 5
    assert len(band.low) == 5


def test_two_ranks_are_a_coin() -> None:
    """With one draw the test is the two-sided binomial one: p = 0.04139 for 5 of 20."""
    ranks = np.array([0] * 5 + [1] * 15)
    exact = 2 * at_most(5, 20, 0.5)
    found = uniformity(ranks, 1, stream=STREAM, resamples=100_000)
    assert found == pytest.approx(exact, abs=5 * (exact / 100_000) ** 0.5)
    band = cumulative_band(20, 1, stream=STREAM, resamples=100_000)
    assert (int(band.low[0]), int(band.high[0])) == (6, 14)


def test_the_bands_cover_uniform_ranks_as_often_as_they_say() -> None:
    """2,000 sets of 60 uniform ranks; discrete counts make a band cover a little more."""
    sets = STREAM.child("sets").numpy().integers(0, 16, size=(2000, 60))
    band = cumulative_band(60, 15, stream=STREAM, level=0.9)
    counts = np.stack([cumulative_counts(ranks, 15) for ranks in sets])
    inside = ((counts >= band.low) & (counts <= band.high)).all(1).mean()
    assert 0.9 - 5 * (0.09 / 2000) ** 0.5 < inside < 0.96
    bins = histogram_band(60, 8, level=0.9)
    counts = np.stack([rank_histogram(ranks, 15, 8) for ranks in sets])
    inside = ((counts >= bins.low) & (counts <= bins.high)).all(1).mean()
    assert 0.9 - 5 * (0.09 / 2000) ** 0.5 < inside < 0.99


def test_p_values_of_uniform_ranks_are_uniform() -> None:
    sets = STREAM.child("more").numpy().integers(0, 32, size=(400, 80))
    values = np.array([uniformity(ranks, 31, stream=STREAM, resamples=400) for ranks in sets])
    for level in (0.1, 0.5, 0.9):
        sigma = (level * (1 - level) / 400) ** 0.5
        assert abs(float((values <= level).mean()) - level) < 5 * sigma + 0.03


@pytest.mark.parametrize("kind", ["narrow", "wide", "biased"])
def test_ranks_that_are_not_uniform_are_found(kind: str) -> None:
    noise = STREAM.child(kind).numpy()
    shape = {"narrow": (0.5, 0.5), "wide": (3, 3), "biased": (1.6, 1)}[kind]
    ranks = (noise.beta(*shape, size=300) * 32).astype(int)
    assert uniformity(ranks, 31, stream=STREAM) < 0.002
    band, counts = cumulative_band(300, 31, stream=STREAM), cumulative_counts(ranks, 31)
    assert ((counts < band.low) | (counts > band.high)).any()


def test_guards() -> None:
    with pytest.raises(ValueError, match="8 possible ranks do not fall into 3 bins"):
        rank_histogram(np.array([1]), 7, 3)
    for wrong in (np.array([8]), np.array([-1]), np.array([0.5]), np.zeros((2, 2), int)):
        with pytest.raises(ValueError, match=r"ranks must be integers \[S\] in 0 to 7"):
            uniformity(wrong, 7, stream=STREAM)
    with pytest.raises(ValueError, match="got int64 of shape"):
        cumulative_counts(np.zeros(0, np.int64), 7)
    with pytest.raises(ValueError, match="resamples must be positive"):
        uniformity(np.array([1]), 7, stream=STREAM, resamples=0)
