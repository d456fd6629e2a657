"""Leave-one-out predictive density without refits, for chains and for variational draws.

    elpd_i = log sum_s w_is p(y_i | w_s) / sum_s w_is
    log w_is = log p(w_s, y) - log q(w_s) - log p(y_i | w_s) / tempering      (variational)
    log w_is =                            - log p(y_i | w_s) / tempering      (Markov chains)

with the weights Pareto-smoothed. Draws of q are not draws of the posterior; without the first two
terms the answer is that of a model nobody fitted. log q of a Bernoulli posterior is exact. Pareto k
says when the weights cannot be trusted, and for a saturated q they often cannot.

Source: Vehtari et al. 2017 (PSIS-LOO), 2024 (PSIS); Magnusson et al. 2019, "Bayesian leave-one-out
cross-validation for large data" (the correction by q). The power 1 / tempering is our own step: the
target holds p(y_i | w) to that power, and that power is divided out.
Oracle: tests/report/test_loo.py (all 2^d networks, each example left out in turn).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from bayesnn_spike.report import _arviz_compat as compat
from bayesnn_spike.report.diagnostics import MeaninglessDiagnosticError
from bayesnn_spike.report.function_draws import FunctionDraws, Origin

# A Pareto tail is fitted to a fifth of the draws and wants five of them.
LEAST_DRAWS = 25


@final
@dataclass(frozen=True, eq=False)
class Loo:
    """A leave-one-out estimate.

    Attributes:
        elpd: sum over examples of the log predictive density of a left-out example, nats.
        se: its standard error over examples: sqrt(N var(pointwise)).
        p: effective number of parameters, the in-sample log density minus elpd.
        pointwise: `[N]`, nats.
        pareto_k: `[N]`; infinite where the tail is ties (few distinct networks): then the weights
            are not smoothed, and `effective` says what they are worth.
        effective: `[N]`, 1 / sum of squared weights: how many equal draws are left. It, and k, know
            only what was drawn: a q that never leaves one corner can look fine.
        good_k: above it a k is too large for S draws, min(1 - 1 / log10(S), 0.7).
        draws: S.
        fit_k: Pareto k of log p(w, y) - log q(w) itself, with nothing left out: above `good_k` q is
            too far from the posterior for any weights to mend (Yao et al. 2018). None for chains.
    """

    elpd: float
    se: float
    p: float
    pointwise: np.ndarray
    pareto_k: np.ndarray
    effective: np.ndarray
    good_k: float
    draws: int
    fit_k: float | None = None

    def unreliable(self) -> np.ndarray:
        """Indices of the examples whose k is above `good_k`."""
        return np.flatnonzero(~(self.pareto_k <= self.good_k))

    def __str__(self) -> str:
        return (
            f"elpd_loo {self.elpd:.2f} (se {self.se:.2f}), p {self.p:.2f}, worst Pareto k "
            f"{self.pareto_k.max():.2f}, {len(self.unreliable())} of {len(self.pareto_k)} examples "
            f"above {self.good_k:.2f}, at least {self.effective.min():.0f} of {self.draws} draws "
            "effective"
        )


@final
@dataclass(frozen=True)
class Rank:
    """One row of a comparison.

    Attributes:
        name: the rule.
        elpd, se, p: as in `Loo`.
        difference, difference_se: best elpd minus this one, and its standard error over examples.
        weight: of stacking; what this rule adds to a mixture of all, from 0 to 1.
        worst_k, unreliable: largest Pareto k, and how many examples are above the limit.
    """

    name: str
    elpd: float
    se: float
    p: float
    difference: float
    difference_se: float
    weight: float
    worst_k: float
    unreliable: int


def loo(draws: FunctionDraws) -> Loo:
    """Estimate the leave-one-out density of the examples that the target was fitted to.

    Args:
        draws: predictions for the training examples, all of them. Variational draws need log_prior
            and log_q (`draws_of_posterior` gives both).

    Raises:
        MeaninglessDiagnosticError: trained networks, fewer than 25 draws, draws that all say the
            same, or variational draws without log_prior and log_q.
        MissingArvizError: ArviZ is not installed.
    """
    likelihood = draws.log_likelihood.reshape(-1, draws.labels.size)  # [S, N]
    count = len(likelihood)
    _require_possible(draws, likelihood)
    ratios = -likelihood.T / draws.tempering
    if draws.origin is Origin.MARKOV_CHAINS:
        whole, fit_k = np.full((1, count), -np.log(count)), None
        smoothed, k = compat.psis(ratios, relative_efficiency=_efficiency(draws))
    else:
        correction = (draws.log_joint() - draws.log_q).reshape(1, -1)
        whole, (fit_k,) = compat.psis(correction, relative_efficiency=1.0)
        smoothed, k = compat.psis(ratios + correction, relative_efficiency=1.0)
    pointwise = np.logaddexp.reduce(smoothed + likelihood.T, axis=1)
    inside = np.logaddexp.reduce(whole + likelihood.T, axis=1)
    return Loo(
        elpd=float(pointwise.sum()),
        se=float(np.sqrt(len(pointwise) * pointwise.var())),
        p=float(inside.sum() - pointwise.sum()),
        pointwise=pointwise,
        pareto_k=k,
        effective=np.exp(-np.logaddexp.reduce(2 * smoothed, axis=1)),
        good_k=min(1 - 1 / float(np.log10(count)), 0.7),
        draws=count,
        fit_k=None if fit_k is None else float(fit_k),
    )


def compare(rules: Mapping[str, FunctionDraws | Loo]) -> list[Rank]:
    """Rank rules by their leave-one-out density with ArviZ's `compare`, best first.

    Args:
        rules: draws or finished estimates by name, two or more, of the same examples in one order.

    Raises:
        MeaninglessDiagnosticError: as `loo`, with the name of the rule.
        ValueError: fewer than two rules, or rules of different examples.
        MissingArvizError: ArviZ is not installed.
    """
    if len(rules) < 2:
        raise ValueError(f"a comparison needs two rules or more, got {list(rules)}")
    labels = [draws.labels for draws in rules.values() if isinstance(draws, FunctionDraws)]
    if any(not np.array_equal(labels[0], other) for other in labels[1:]):
        raise ValueError("the rules' labels differ: they must be of the same examples in one order")
    found = {name: _named(name, value) for name, value in rules.items()}
    sizes = {name: len(one.pointwise) for name, one in found.items()}
    if len(set(sizes.values())) != 1:
        raise ValueError(f"the rules must be of the same examples, got {sizes} of them")
    rows = compat.compare({name: _elpd(one) for name, one in found.items()})
    return [
        Rank(
            name=row["name"],
            elpd=row["elpd"],
            se=row["se"],
            p=row["p"],
            difference=rows[0]["elpd"] - row["elpd"],
            difference_se=row["dse"],
            weight=row["weight"],
            worst_k=float(found[row["name"]].pareto_k.max()),
            unreliable=len(found[row["name"]].unreliable()),
        )
        for row in rows
    ]


def _named(name: str, value: FunctionDraws | Loo) -> Loo:
    if isinstance(value, Loo):
        return value
    try:
        return loo(value)
    except MeaninglessDiagnosticError as error:
        raise MeaninglessDiagnosticError(f"{name!r}: {error}") from error


def _elpd(one: Loo) -> compat.Elpd:
    return compat.Elpd(
        elpd=one.elpd,
        se=one.se,
        p=one.p,
        pointwise=one.pointwise,
        pareto_k=one.pareto_k,
        draws=one.draws,
        good_k=one.good_k,
        warning=bool(len(one.unreliable())),
    )


def _require_possible(draws: FunctionDraws, likelihood: np.ndarray) -> None:
    if draws.origin is Origin.NETWORKS:
        raise MeaninglessDiagnosticError(
            "trained networks have no density, so no weight can take an example out of them; "
            "score them on examples that were held out (calibration.nll)"
        )
    if len(likelihood) < LEAST_DRAWS:
        raise MeaninglessDiagnosticError(
            f"{len(likelihood)} draws are too few to fit the tail of their weights; take "
            f"{LEAST_DRAWS} at the very least, and 1000 for a number to rely on"
        )
    if (np.ptp(likelihood, axis=0) == 0).all():
        raise MeaninglessDiagnosticError(
            "all draws say the same of every example: the posterior is a point to its predictions, "
            "and its leave-one-out density would be the training likelihood; score it on examples "
            "that were held out (calibration.nll)"
        )
    if draws.origin is not Origin.MARKOV_CHAINS and (
        draws.log_prior is None or draws.log_q is None
    ):
        raise MeaninglessDiagnosticError(
            "variational draws are not draws of the posterior: without log_prior and log_q the "
            "estimate would be of another model; use draws_of_posterior, or pass both"
        )


def _efficiency(draws: FunctionDraws) -> float:
    """Effective draws of the likelihoods over all draws: the mean over examples that vary."""
    if draws.draws < 4:
        return 1.0
    values = np.exp(draws.log_likelihood)
    found = [
        compat.ess(values[..., index], method="mean") / (draws.chains * draws.draws)
        for index in range(values.shape[2])
        if np.ptp(values[..., index]) > 0
    ]
    return float(np.mean(found)) if found else 1.0
