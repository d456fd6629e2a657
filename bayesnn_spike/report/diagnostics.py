"""R-hat and effective sample size of functions of the weights, and when they mean nothing.

Both ask whether several attempts reached one distribution. Independent draws of one fit cannot
answer: they agree with themselves by construction, however wrong the fit. Restarts of the fit can,
and so can Markov chains from different starts. What cannot be answered raises
`MeaninglessDiagnosticError`, with what to do in its place.

Oracle: tests/report/test_diagnostics.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from bayesnn_spike.report import _arviz_compat as compat
from bayesnn_spike.report.function_draws import FunctionDraws, Origin

LEAST_CHAINS, LEAST_DRAWS = 2, 4


class MeaninglessDiagnosticError(ValueError):
    """A number could be computed, and would say nothing; the message says what would."""


@final
@dataclass(frozen=True)
class Convergence:
    """The diagnostics of one function of the weights.

    Attributes:
        name: "probability[3, 0]", say.
        r_hat: rank-normalised split R-hat; 1 where chains agree, above 1.01 they do not yet. It is
            infinite where every chain stands still, each somewhere else.
        ess_bulk, ess_tail: effective sample sizes of the mean and of the 5 % and 95 % quantiles.
        refusal: why there are no numbers (they are NaN then); "" where there are.
    """

    name: str
    r_hat: float
    ess_bulk: float
    ess_tail: float
    refusal: str = ""


def r_hat(values: np.ndarray, origin: Origin) -> np.ndarray:
    """Return the rank-normalised split R-hat of every entry, `[chains, draws, *shape] -> [*shape]`.

    Raises:
        MeaninglessDiagnosticError: independent draws of one fit or of an exact posterior, trained
            networks, fewer than 2 chains or 4 draws, or an entry that is constant.
        MissingArvizError: ArviZ is not installed.

    Source: Vehtari et al. 2021, "Rank-normalization, folding, and localization".
    """
    _require_origin(origin, "R-hat")
    _require_size(values, LEAST_CHAINS)
    _require_varying(values)
    return _entries(values, _r_hat)


def effective_sample_size(values: np.ndarray, origin: Origin, *, tails: bool = False) -> np.ndarray:
    """Return how many independent draws each entry's are worth, `[chains, draws, *] -> [*]`.

    Args:
        values: `[chains, draws, *shape]`.
        origin: where the draws come from.
        tails: of the 5 % and 95 % quantiles (the smaller one) in place of the bulk.

    Raises:
        As `r_hat`, but one chain is enough.
    """
    _require_origin(origin, "ESS")
    _require_size(values, 1)
    _require_varying(values)
    method = "tail" if tails else "bulk"
    return _entries(values, lambda entry: compat.ess(entry, method=method))


def convergence(draws: FunctionDraws, *, probes: Sequence[int] | None = None) -> list[Convergence]:
    """Return R-hat and ESS of every function of the weights in `draws.quantities(probes)`.

    A constant one has no numbers and says so. In a saturated posterior that is no sign of
    convergence: look at `saturation` for its share.

    Raises:
        MeaninglessDiagnosticError: all of them would be refused.
        MissingArvizError: ArviZ is not installed.
    """
    _require_origin(draws.origin, "R-hat")
    _require_size(draws.probabilities, LEAST_CHAINS)
    rows = []
    for name, values in draws.quantities(probes).items():
        for index in np.ndindex(values.shape[2:]):
            entry = values[(slice(None), slice(None), *index)]
            label = f"{name}{list(index)}" if index else name
            rows.append(_row(label, entry))
    if all(row.refusal for row in rows):
        raise MeaninglessDiagnosticError(
            f"all {len(rows)} quantities are constant: {rows[0].refusal}"
        )
    return rows


def _row(name: str, entry: np.ndarray) -> Convergence:
    if np.ptp(entry) == 0:
        return Convergence(name, np.nan, np.nan, np.nan, _CONSTANT)
    sizes = [compat.ess(entry, method=method) for method in ("bulk", "tail")]
    return Convergence(name, _r_hat(entry), *sizes)


def _r_hat(entry: np.ndarray) -> float:
    if (np.ptp(entry, axis=1) == 0).all():
        return float("inf")  # no variance within and some between
    return compat.r_hat(entry)


_CONSTANT = (
    "a constant has no variance to compare; leave it out. The log prior of fair coins is one by "
    "nature; an output is one where the networks are saturated: report that share "
    "(report.saturation)"
)


def _require_origin(origin: Origin, diagnostic: str) -> None:
    if origin is Origin.EXACT:
        raise MeaninglessDiagnosticError(
            f"draws of an exact posterior are independent: {diagnostic} has nothing to find out, "
            "and every draw counts. The standard error of a mean is sd / sqrt(draws); for means "
            "without one, sum over all networks (Exact.mean, Exact.marginals). To test chains or a "
            "fit against it, compare their means and predictions"
        )
    if origin is Origin.ONE_FIT:
        raise MeaninglessDiagnosticError(
            f"{diagnostic} of independent draws of one variational fit is that of independent "
            "draws however wrong the fit is; train from several starts and pass the list of "
            "posteriors, or compare with Markov chains or the exact posterior"
        )
    if origin is Origin.NETWORKS:
        raise MeaninglessDiagnosticError(
            f"{diagnostic} asks whether draws come from one distribution, and trained networks "
            "are no draws; compare their predictions (Predictive.epistemic) instead"
        )


def _require_size(values: np.ndarray, least_chains: int) -> None:
    if values.ndim < 2:
        raise ValueError(f"values must be [chains, draws, ..], got shape {values.shape}")
    chains, draws = values.shape[:2]
    if chains < least_chains:
        raise MeaninglessDiagnosticError(
            f"R-hat compares chains and there is {chains}; run {LEAST_CHAINS} or more (4 is "
            "usual) from different starts"
        )
    if draws < LEAST_DRAWS:
        raise MeaninglessDiagnosticError(
            f"{draws} draws a chain are too few to split and compare; take {LEAST_DRAWS} at the "
            "very least, and hundreds for a number to rely on"
        )
    if not np.isfinite(values).all():
        raise ValueError("values has numbers that are not finite")


def _require_varying(values: np.ndarray) -> None:
    constant = np.ptp(values, axis=(0, 1)) == 0
    if constant.any():
        first = tuple(int(i) for i in np.argwhere(constant)[0])
        where = f"{int(constant.sum())} of {constant.size} entries, first {first}: "
        raise MeaninglessDiagnosticError((where if values.ndim > 2 else "") + _CONSTANT)


def _entries(values: np.ndarray, measure: Callable[[np.ndarray], float]) -> np.ndarray:
    found = np.empty(values.shape[2:])
    for index in np.ndindex(found.shape):
        found[index] = measure(values[(slice(None), slice(None), *index)])
    return found
