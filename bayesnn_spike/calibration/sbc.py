"""Simulation-based calibration: is the truth, drawn from the prior, a typical posterior draw?

Draw weights from the prior, data from the weights, and L draws from the posterior of the data. If
that posterior is right, the rank of any statistic of the true weights among those of the draws is
uniform on 0 ... L. A rank histogram with hollow middle says the posterior is too narrow, one with a
hump too wide, one that slopes biased.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from bayesnn_spike.calibration.inputs import Array, as_numpy
from bayesnn_spike.checks import require_positive
from bayesnn_spike.rng import Stream


@final
@dataclass(frozen=True, eq=False)
class Ranks:
    """Ranks of the truth among posterior draws, over many simulations.

    Attributes:
        values: int64 `[S]` in [0, draws], by statistic.
        draws: L.
    """

    values: dict[str, np.ndarray]
    draws: int

    @property
    def simulations(self) -> int:
        """S."""
        return len(next(iter(self.values.values())))


def simulate_ranks(
    simulate: Callable[[Stream], tuple[Any, Any]],
    sample: Callable[[Any, int, Stream], Any],
    statistics: Callable[[Any, Any], Mapping[str, Array]],
    *,
    simulations: int,
    draws: int,
    stream: Stream,
    tolerance: float = 1e-9,
) -> Ranks:
    """Rank true weights among posterior draws, S times.

    Args:
        simulate: (stream) -> (weights with a leading axis of 1, data), from the prior and then from
            the likelihood: the same two that the posterior assumes.
        sample: (data, L, stream) -> L draws of the posterior, nearly independent: draws of one
            Markov chain are to be thinned, or be the ends of L chains.
        statistics: (weights, data) -> {name: `[n]`} for n weights; called once for the truth and
            once for the draws. A function of the data too, such as the log likelihood, sees faults
            that no single weight shows.
        simulations: S.
        draws: L. Make L + 1 a multiple of the bins of a histogram.
        stream: simulation s draws from `stream.child(s)`.
        tolerance: a draw's statistic this near to the truth's, relative to the larger of it and 1,
            is a tie: equal weights may differ by rounding.

    Returns:
        The ranks. Ties, which are the rule for binary weights, are broken at random: with m draws
        tied the rank is evenly one of m + 1, which leaves it uniform.

    Raises:
        ValueError: a count below 1, a statistic of another length or not finite, or names that
            change between simulations.

    Source: Talts et al. 2018, algorithm 1; statistics of the data: Modrak et al. 2023.
    Oracle: tests/calibration/test_sbc.py, tests/calibration/test_sbc_posteriors.py.
    """
    require_positive(simulations, "simulations")
    require_positive(draws, "draws")
    found: dict[str, list[int]] = {}
    for index in range(simulations):
        here = stream.child(index)
        truth, data = simulate(here.child("simulate"))
        among = sample(data, draws, here.child("sample"))
        true = _checked(statistics(truth, data), 1)
        drawn = _checked(statistics(among, data), draws)
        if index == 0:
            found = {name: [] for name in true}
        if not found.keys() == true.keys() == drawn.keys():
            raise ValueError(
                f"simulation {index} has the statistics {sorted(true)} of the truth and "
                f"{sorted(drawn)} of the draws, the first had {sorted(found)}"
            )
        noise = here.child("ties").numpy()
        for name, ranks in found.items():
            ranks.append(_rank(true[name][0], drawn[name], tolerance, noise))
    return Ranks({name: np.array(ranks) for name, ranks in found.items()}, draws)


def _rank(truth: float, drawn: np.ndarray, tolerance: float, noise: np.random.Generator) -> int:
    tied = np.abs(drawn - truth) <= tolerance * max(1.0, abs(truth))
    below = int(((drawn < truth) & ~tied).sum())
    return below + int(noise.integers(int(tied.sum()) + 1))


def _checked(statistics: Mapping[str, Array], count: int) -> dict[str, np.ndarray]:
    values = {n: as_numpy(v, n).astype(np.float64) for n, v in statistics.items()}
    for name, value in values.items():
        if value.shape != (count,) or not np.isfinite(value).all():
            raise ValueError(
                f"statistic {name!r} must be {count} finite numbers, got shape {value.shape}"
            )
    if not values:
        raise ValueError("simulation-based calibration needs at least one statistic")
    return values
