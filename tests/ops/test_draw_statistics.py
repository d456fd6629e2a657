"""ops/draw: frequencies against exact binomial bounds, and the bound on the quantisation."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from bayesnn_spike.ops import only
from bayesnn_spike.ops.draw import draw_signs, logistic_noise, random_bits, reference
from bayesnn_spike.rng import Stream

# Chance of a false alarm, per two-sided bound; seeds are fixed, so it strikes once or never.
ALPHA = 1e-6


def inside_binomial(count: int, n: int, p: float) -> bool:
    low, high = stats.binom.ppf([ALPHA / 2, 1 - ALPHA / 2], n, p)
    return bool(low <= count <= high)


def exact_minus(logits: torch.Tensor) -> np.ndarray:
    """sigmoid(-2 logits) in float64."""
    x = logits.double().numpy()
    return np.exp(-np.logaddexp(0, 2 * x))


@pytest.mark.parametrize("logit", [-3.0, -1.0, -0.1, 0.0, 0.3, 2.0, 5.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_frequencies_stay_within_exact_binomial_bounds(logit: float, seed: int) -> None:
    drawn = draw_signs(torch.full((1000,), logit), stream=Stream(seed), draws=200)
    plus = int((drawn > 0).sum())
    assert inside_binomial(plus, drawn.numel(), 1 / (1 + math.exp(-2 * logit)))


def test_each_weight_alone_stays_within_its_bounds() -> None:
    logits = torch.linspace(-2, 2, 41)
    drawn = draw_signs(logits, stream=Stream(3), draws=20_000)
    plus = (drawn > 0).sum(0)
    p = 1 - exact_minus(logits)
    assert all(inside_binomial(int(plus[i]), 20_000, p[i]) for i in range(41))


def test_a_wrong_probability_is_seen() -> None:
    """The bound has teeth: a hundredth off is out."""
    drawn = draw_signs(torch.full((1000,), 0.5), stream=Stream(0), draws=200)
    plus = int((drawn > 0).sum())
    assert not inside_binomial(plus, drawn.numel(), 1 / (1 + math.exp(-1.0)) + 0.01)


def test_rare_signs_of_a_confident_weight_have_their_rate() -> None:
    """logit 4: one in 2981; a float16 or a 16-bit threshold would be off by far."""
    drawn = draw_signs(torch.full((2000,), 4.0), stream=Stream(8), draws=2000)
    minus = int((drawn < 0).sum())
    assert inside_binomial(minus, 4_000_000, 1 / (1 + math.exp(8)))


def test_thresholds_are_the_probabilities_to_2_31_and_3e_7() -> None:
    logits = torch.linspace(-12, 12, 200_001)
    minus = (reference.sign_threshold(logits).double().numpy() + 1) / 2**31
    exact = exact_minus(logits)
    small, wanted = np.minimum(minus, 1 - minus), np.minimum(exact, 1 - exact)
    error = np.abs(small - wanted)
    assert (error <= 0.5 / 2**31 + 3e-7 * wanted).all()


def test_thresholds_never_rise_with_the_logit() -> None:
    """To within the error of the polynomial, which is far below what a draw can see."""
    threshold = reference.sign_threshold(torch.linspace(-18, 18, 100_001)).to(torch.int64)
    assert int(threshold.diff().max()) <= 0
    assert int(threshold[0]) == 2**31 - 1
    assert int(threshold[-1]) == -1


def test_opposite_logits_are_mirror_images() -> None:
    logits = torch.linspace(0.001, 18, 10_001)
    plus = reference.sign_threshold(logits).to(torch.int64) + 1
    minus = reference.sign_threshold(-logits).to(torch.int64) + 1
    assert bool((plus + minus == 2**31).all())


def test_draws_and_weights_are_uncorrelated() -> None:
    drawn = draw_signs(torch.zeros(64), stream=Stream(6), draws=40_000).double()
    covariance = drawn.T @ drawn / len(drawn) - torch.eye(64)
    assert float(covariance.abs().max()) < 6 / math.sqrt(40_000)
    lagged = (drawn[1:] * drawn[:-1]).mean(0)
    assert float(lagged.abs().max()) < 6 / math.sqrt(40_000)


def test_streams_are_uncorrelated() -> None:
    zeros = torch.zeros(100_000)
    one = draw_signs(zeros, stream=Stream(6).child("a"))[0]
    two = draw_signs(zeros, stream=Stream(6).child("b"))[0]
    agree = int((one == two).sum())
    assert inside_binomial(agree, 100_000, 0.5)


def test_every_bit_of_a_word_is_even() -> None:
    words = random_bits((50_000,), stream=Stream(11), draws=4).reshape(-1)
    assert int(words.min()) >= 0
    for bit in range(31):
        assert inside_binomial(int(((words >> bit) & 1).sum()), 200_000, 0.5)


def test_noise_is_logistic() -> None:
    """Kolmogorov-Smirnov of 2 delta against the logistic law."""
    noise = logistic_noise(random_bits((100_000,), stream=Stream(2)), torch.float64)
    assert stats.kstest(2 * noise.numpy().ravel(), "logistic").pvalue > 1e-3


@pytest.mark.parametrize("name", ["reference", "cpu"])
def test_hard_and_relaxed_draws_belong_together(name: str) -> None:
    """sign(logits + delta) is the drawn sign, except within the rounding of the threshold."""
    logits = torch.linspace(-3, 3, 1001, dtype=torch.float64)
    with only(name):
        drawn = draw_signs(logits, stream=Stream(1), draws=200)
        noise = logistic_noise(random_bits((1001,), stream=Stream(1), draws=200), torch.float64)
    side = logits + noise
    clear = side.abs() > 1e-6
    assert int((~clear).sum()) <= 5
    assert torch.equal(side[clear].sign(), drawn[clear])
