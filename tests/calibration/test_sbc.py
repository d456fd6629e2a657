"""calibration/sbc: ranks by hand, ties broken evenly, and a conjugate model that is right."""

import numpy as np
import pytest

from bayesnn_spike.calibration.sbc import simulate_ranks
from bayesnn_spike.calibration.uniform_ranks import uniformity
from bayesnn_spike.rng import Stream

STREAM = Stream(8)


def fixed(truth: float, draws: list[float], **options) -> np.ndarray:
    """Ranks of one number among some, over 4,000 simulations."""
    ranks = simulate_ranks(
        lambda stream: (np.array([truth]), None),
        lambda data, count, stream: np.array(draws),
        lambda values, data: {"value": values},
        simulations=4000,
        draws=len(draws),
        stream=STREAM,
        **options,
    )
    assert ranks.simulations == 4000
    return ranks.values["value"]


def test_the_rank_counts_what_is_below() -> None:
    assert set(fixed(2.5, [1, 2, 3, 4, -9])) == {3}


def test_ties_are_broken_evenly() -> None:
    """One below, three tied (one by rounding): ranks 1 to 4, each a quarter at 5 sigma."""
    ranks = fixed(2.0, [1.0, 2.0, 2.0 + 1e-12, 2.0, 5.0])
    shares = np.bincount(ranks, minlength=6) / 4000
    assert shares[[0, 5]].tolist() == [0, 0]
    np.testing.assert_allclose(shares[1:5], 0.25, atol=5 * (0.1875 / 4000) ** 0.5)
    shares = np.bincount(fixed(2.0, [1.0, 2.0, 2.0 + 1e-12, 2.0, 5.0], tolerance=0.0)) / 4000
    assert len(shares) == 4


def normal_ranks(width: float) -> dict[str, np.ndarray]:
    """theta ~ N(0, 1), y ~ N(theta, 1): the posterior is N(y / 2, 1 / 2), here times a width."""

    def simulate(stream: Stream):
        noise = stream.numpy().normal(size=2)
        return noise[:1], float(noise.sum())

    def sample(data: float, draws: int, stream: Stream):
        return data / 2 + width * 0.5**0.5 * stream.numpy().normal(size=draws)

    return simulate_ranks(
        simulate,
        sample,
        lambda theta, y: {"theta": theta, "log likelihood": -((theta - y) ** 2) / 2},
        simulations=500,
        draws=31,
        stream=STREAM,
    ).values


def test_a_right_posterior_passes_and_wrong_widths_fail() -> None:
    for ranks in normal_ranks(1.0).values():
        assert uniformity(ranks, 31, stream=STREAM) > 0.01
    for width in (0.6, 1.7):
        assert uniformity(normal_ranks(width)["theta"], 31, stream=STREAM) < 0.001
    narrow = np.bincount(normal_ranks(0.6)["theta"] // 8, minlength=4)
    assert narrow[0] > narrow[1] < narrow[3]


def test_the_same_stream_gives_the_same_ranks() -> None:
    first, second = normal_ranks(1.0), normal_ranks(1.0)
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_guards() -> None:
    def run(true, drawn, **options):
        settings = {"simulations": 1, "draws": 2, "stream": STREAM} | options
        return simulate_ranks(
            lambda stream: ("truth", None),
            lambda data, count, stream: "draws",
            lambda values, data: true if values == "truth" else drawn,
            **settings,
        )

    one, two = np.ones(1), np.ones(2)
    with pytest.raises(ValueError, match="'a' must be 2 finite numbers, got shape \\(1,\\)"):
        run({"a": one}, {"a": one})
    with pytest.raises(ValueError, match="'a' must be 1 finite numbers"):
        run({"a": one * np.nan}, {"a": two})
    with pytest.raises(ValueError, match=r"statistics \['a'\] of the truth and \['b'\]"):
        run({"a": one}, {"b": two})
    with pytest.raises(ValueError, match="at least one statistic"):
        run({}, {})
    for option in ("simulations", "draws"):
        with pytest.raises(ValueError, match=f"{option} must be positive"):
            run({"a": one}, {"a": two}, **{option: 0})
