"""Are ranks uniform? Bands around histogram and cumulative count, and one test.

Both bands hold for all bins, or all ranks, at once. Those of the histogram are binomial with
Bonferroni's correction; those of the cumulative count are narrower where ranks deviate together and
come from simulated ranks. Oracle: tests/calibration/test_uniform_ranks.py.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from bayesnn_spike.calibration.inputs import Array, as_numpy
from bayesnn_spike.checks import require_interval, require_positive
from bayesnn_spike.rng import Stream


@final
@dataclass(frozen=True, eq=False)
class Band:
    """What uniform ranks stay within, all at once.

    Attributes:
        low, high: least and largest count that is inside, `[n]`, both included.
        expected: mean count, `[n]`.
        level: probability to stay inside everywhere.
        definition: how it came about.
    """

    low: np.ndarray
    high: np.ndarray
    expected: np.ndarray
    level: float
    definition: str


def rank_histogram(ranks: Array, draws: int, bins: int) -> np.ndarray:
    """Return counts of ranks 0 ... L in bins of equal probability, int64 `[bins]`.

    Raises:
        ValueError: L + 1 is no multiple of the bins, or a rank lies outside 0 ... L.
    """
    values = _checked(ranks, draws)
    if bins < 1 or (draws + 1) % bins:
        raise ValueError(
            f"{draws + 1} possible ranks do not fall into {bins} bins of equal probability; take a "
            "divisor, or draws so that draws + 1 is a multiple of the bins"
        )
    return np.bincount(values // ((draws + 1) // bins), minlength=bins)


def histogram_band(simulations: int, bins: int, *, level: float = 0.95) -> Band:
    """Return the band of `rank_histogram`: binomial, Bonferroni over the bins."""
    require_positive(simulations, "simulations")
    require_interval(level, "level", 0, 1)
    below, above = _tails(simulations, np.array([1 / bins]))
    low, high = _inside(below, above, (1 - level) / bins)
    ones = np.ones(bins, dtype=np.int64)
    text = f"{level:g} simultaneous: binomial, Bonferroni over {bins} bins"
    return Band(low * ones, high * ones, ones * simulations / bins, level, text)


def cumulative_counts(ranks: Array, draws: int) -> np.ndarray:
    """Return how many ranks are at most r, for r = 0 ... L - 1, int64 `[L]`."""
    return np.bincount(_checked(ranks, draws), minlength=draws + 1).cumsum()[:-1]


def cumulative_band(
    simulations: int, draws: int, *, stream: Stream, level: float = 0.95, resamples: int = 2000
) -> Band:
    """Return the band of `cumulative_counts`.

    Each count is binomial; the probability outside that each is given alone is set so that
    simulated uniform ranks leave the band anywhere with probability 1 - level.

    Source: Saeilynoja, Buerkner & Vehtari 2022 (their adjustment by simulation), on the ranks' own
    grid.
    """
    require_interval(level, "level", 0, 1)
    below, above = _tails(simulations, _grid(draws))
    least = np.quantile(
        _least_tails(simulations, draws, below, above, stream, resamples), 1 - level
    )
    low, high = _inside(below, above, 2 * float(least))
    text = f"{level:g} simultaneous: binomial, adjusted by {resamples} simulations of uniform ranks"
    return Band(low, high, simulations * _grid(draws), level, text)


def uniformity(ranks: Array, draws: int, *, stream: Stream, resamples: int = 2000) -> float:
    """Return the p-value of ranks being uniform on 0 ... L.

    The statistic is the smallest binomial tail among all cumulative counts, the one that
    `cumulative_band` bounds; its law comes from simulated ranks, so p is at least
    1 / (resamples + 1). Of several statistics, multiply the least p by their number.

    Raises:
        ValueError: a rank outside 0 ... L, or a count below 1.
    """
    values = _checked(ranks, draws)
    below, above = _tails(len(values), _grid(draws))
    found = _least(cumulative_counts(values, draws)[None], below, above)[0]
    law = _least_tails(len(values), draws, below, above, stream, resamples)
    # Equal tails are ties; the margin keeps rounding from splitting them.
    return float((1 + (law <= found * (1 + 1e-9)).sum()) / (resamples + 1))


def _grid(draws: int) -> np.ndarray:
    """P(rank <= r) for r = 0 ... L - 1."""
    return np.arange(1, draws + 1) / (draws + 1)


def _tails(count: int, chances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P(X <= k) and P(X >= k) of binomials, both `[n, count + 1]`, k = 0 ... count."""
    k = np.arange(count + 1)
    factorials = np.concatenate([[0.0], np.log(np.arange(1, count + 1)).cumsum()])
    ways = factorials[-1] - factorials - factorials[::-1]
    p = chances[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(k > 0, k * np.log(p), 0) + np.where(
            k < count, (count - k) * np.log1p(-p), 0
        )
    masses = np.exp(ways + logs)
    return masses.cumsum(1), masses[:, ::-1].cumsum(1)[:, ::-1]


def _inside(below: np.ndarray, above: np.ndarray, outside: float) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest count with both tails at least `outside` / 2, each `[n]`."""
    limit = outside / 2 * (1 - 1e-9)
    inside = (below >= limit) & (above >= limit)
    return inside.argmax(1), inside.shape[1] - 1 - inside[:, ::-1].argmax(1)


def _least(counts: np.ndarray, below: np.ndarray, above: np.ndarray) -> np.ndarray:
    """The smaller tail, least over the grid, of counts `[m, L]`."""
    places = np.arange(counts.shape[1])
    return np.minimum(below[places, counts], above[places, counts]).min(1)


def _least_tails(
    count: int,
    draws: int,
    below: np.ndarray,
    above: np.ndarray,
    stream: Stream,
    resamples: int,
) -> np.ndarray:
    """The statistic of simulated uniform ranks, `[resamples]`."""
    require_positive(resamples, "resamples")
    even = np.full(draws + 1, 1 / (draws + 1))
    counts = stream.numpy().multinomial(count, even, size=resamples).cumsum(1)[:, :-1]
    return _least(counts, below, above)


def _checked(ranks: Array, draws: int) -> np.ndarray:
    require_positive(draws, "draws")
    values = as_numpy(ranks, "ranks")
    fits = values.ndim == 1 and len(values) and np.issubdtype(values.dtype, np.integer)
    if not fits or values.min() < 0 or values.max() > draws:
        raise ValueError(
            f"ranks must be integers [S] in 0 to {draws}, got {values.dtype} of shape "
            f"{values.shape}" + (f", {values.min()} to {values.max()}" if values.size else "")
        )
    return values
