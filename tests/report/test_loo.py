"""Leave-one-out by smoothed weights, against leaving each example out of all 2^10 networks."""

import importlib
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

from bayesnn_spike.learn.target import Target
from bayesnn_spike.posterior import Bernoulli, Empirical, Point
from bayesnn_spike.posterior.flat import flatten
from bayesnn_spike.report import _arviz_compat as compat
from bayesnn_spike.report.arviz import to_arviz
from bayesnn_spike.report.diagnostics import MeaninglessDiagnosticError
from bayesnn_spike.report.function_draws import (
    FunctionDraws,
    Origin,
    draws_of_chains,
    draws_of_posterior,
)
from bayesnn_spike.report.loo import compare, loo
from bayesnn_spike.rng import Stream
from tests.oracles import enumeration
from tests.report import posterior_case

DRAWS = 8000
ONE = posterior_case.target()
LOGS = posterior_case.all_likelihoods(ONE)  # [2^d, N]


def left_out() -> Tensor:
    """p(w | all but y_i) of every network, `[2^d, N]`, each from its own product."""
    prior = ONE.log_prior(posterior_case.all_weights(ONE))
    others = [
        LOGS[:, [j for j in range(12) if j != i]].sum(1) / posterior_case.TEMPERING
        for i in range(12)
    ]
    return (prior[:, None] + torch.stack(others, 1)).softmax(0)


POSTERIORS = left_out()
EXACT = (POSTERIORS * LOGS.exp()).sum(0).log().numpy()  # elpd_i


def sigma(proposal: Tensor) -> np.ndarray:
    """Standard error of the log of a self-normalised estimate from DRAWS draws of q `[2^d]`."""
    values = LOGS.exp()
    mean = (POSTERIORS * values).sum(0)
    ratio = POSTERIORS / proposal[:, None]
    variance = (proposal[:, None] * ratio**2 * (values - mean) ** 2).sum(0) / DRAWS
    return (variance.sqrt() / mean).numpy()


def density(*fits: Bernoulli) -> Tensor:
    """The mean of the fits' probabilities of every network, `[2^d]`."""
    logits = [flatten({n: v[None] for n, v in fit.logits.items()})[0] for fit in fits]
    return torch.stack([enumeration.probabilities(row.tanh()) for row in logits]).mean(0)


def fitted(scale: float, shift: float = 0.0) -> Bernoulli:
    fit = posterior_case.mean_field(ONE, scale)
    return Bernoulli({n: v + shift for n, v in fit.logits.items()})


def test_the_oracle_is_another_model_than_the_whole_posterior() -> None:
    """Of every example the whole posterior's density is outside what the tests below allow."""
    inside = (posterior_case.exact(ONE)[:, None] * LOGS.exp()).sum(0).log().numpy()
    assert (inside - EXACT > 5 * sigma(density(fitted(0.8)))).all()


@pytest.mark.parametrize("scale", [0.8, 0.4])
def test_variational_draws_give_the_posterior_s_density(scale: float) -> None:
    fit = fitted(scale)
    found = loo(draws_of_posterior(ONE, fit, draws=DRAWS, stream=Stream(4)))
    limit = 5 * sigma(density(fit))
    assert (np.abs(found.pointwise - EXACT) < limit).all()
    assert abs(found.elpd - EXACT.sum()) < limit.sum()
    inside = (posterior_case.exact(ONE)[:, None] * LOGS.exp()).sum(0).log().numpy()
    assert abs(found.p - (inside - EXACT).sum()) < 2 * limit.sum()
    np.testing.assert_allclose(found.se, np.sqrt(12 * found.pointwise.var()))
    assert found.pareto_k.shape == (12,)
    assert found.good_k == 0.7
    assert (found.effective > 20).all()
    assert (found.effective < DRAWS).all()
    assert "of 8000 draws effective" in str(found)


def test_without_the_correction_it_would_be_another_model() -> None:
    fit = fitted(0.1)  # nearly fair coins, which the data are not
    draws = draws_of_posterior(ONE, fit, draws=DRAWS, stream=Stream(4))
    likelihood = draws.log_likelihood[0]
    weights, _ = compat.psis(-likelihood.T / draws.tempering, relative_efficiency=1.0)
    plain = np.logaddexp.reduce(weights + likelihood.T, axis=1)
    limit = 5 * sigma(density(fit))
    assert (np.abs(plain - EXACT) > 2 * limit).any()
    assert (np.abs(loo(draws).pointwise - EXACT) < limit).all()


def test_restarts_count_as_their_mixture() -> None:
    fits = [fitted(0.8), fitted(0.3, shift=0.3)]
    found = loo(draws_of_posterior(ONE, fits, draws=DRAWS // 2, stream=Stream(4)))
    assert (np.abs(found.pointwise - EXACT) < 5 * sigma(density(*fits))).all()


def chains(one: Target, *, draws: int = DRAWS // 4) -> FunctionDraws:
    """Four chains of independent draws of the exact posterior."""
    generator = Stream(6).generator()
    rows = torch.multinomial(posterior_case.exact(one), 4 * draws, True, generator=generator)
    return draws_of_chains(one, enumeration.sign_table(one.size)[rows].view(4, draws, -1))


def test_markov_chains_need_no_correction() -> None:
    found = loo(chains(ONE))
    assert (np.abs(found.pointwise - EXACT) < 5 * sigma(posterior_case.exact(ONE))).all()
    assert found.fit_k is None
    assert found.draws == DRAWS


def test_few_distinct_networks_have_no_tail_to_fit() -> None:
    """The draws of a saturated q repeat a few networks and miss the rest: its k says so."""
    sure = Bernoulli({n: v.sign() * 2.0 for n, v in fitted(1.0).logits.items()})
    found = loo(draws_of_posterior(ONE, sure, draws=1000, stream=Stream(4)))
    assert found.fit_k == np.inf
    np.testing.assert_array_equal(found.unreliable(), np.arange(12))
    assert (np.abs(found.pointwise - EXACT) > 0.1).any()


def gaussian(width: float, *, seed: int, draws: int = 2000) -> tuple[FunctionDraws, np.ndarray]:
    """Of y_i ~ N(w, 1) with w ~ N(0, 1): draws of a q too wide or narrow, and the exact elpd_i.

    The posterior is N(sum y / (n + 1), 1 / (n + 1)), that without y_i likewise, and the left-out
    density is normal with variance 1 + 1 / n. Its weights are continuous, so they have a tail.
    """
    y = Stream(20).numpy().normal(0.5, 1.0, 15)
    n = len(y)
    mean, sd = y.sum() / (n + 1), (n + 1) ** -0.5

    def log_normal(x: np.ndarray, at: np.ndarray | float, scale: float) -> np.ndarray:
        return -0.5 * ((x - at) / scale) ** 2 - np.log(scale * np.sqrt(2 * np.pi))

    w = Stream(seed).numpy().normal(mean, width * sd, draws)
    found = FunctionDraws(
        np.full((1, draws, n, 2), 0.5),
        np.zeros(n, dtype=np.int64),
        Origin.ONE_FIT,
        log_likelihood=log_normal(y, w[:, None], 1.0)[None],
        log_prior=log_normal(w, 0.0, 1.0)[None],
        log_q=log_normal(w, mean, width * sd)[None],
    )
    return found, log_normal(y, (y.sum() - y) / n, (1 + 1 / n) ** 0.5)


def test_smoothed_weights_give_the_closed_form_of_a_gaussian() -> None:
    rows = []
    for seed in range(12):
        draws, exact = gaussian(1.4, seed=seed)
        found = loo(draws)
        rows.append(found.pointwise - exact)
        assert (found.pareto_k < found.good_k).all()
        assert found.fit_k < found.good_k
        assert len(found.unreliable()) == 0
    deviation = np.array(rows)
    limit = 5 * deviation.std(0, ddof=1) / 12**0.5
    assert (np.abs(deviation.mean(0)) < limit).all()
    assert limit.max() < 0.02


def test_a_narrow_fit_has_a_large_k() -> None:
    found = loo(gaussian(0.1, seed=0, draws=8000)[0])
    assert found.fit_k > found.good_k
    assert len(found.unreliable()) > 10


def test_points_and_too_few_draws_are_refused() -> None:
    fit = fitted(0.8)
    point = Point({n: w[0] for n, w in fit.mode().items()})
    some = Empirical({n: w.dense() for n, w in fit.sample(30, Stream(0)).items()})
    for posterior in (point, some):
        with pytest.raises(MeaninglessDiagnosticError, match=r"no density.* held out"):
            loo(draws_of_posterior(ONE, posterior, draws=30, stream=Stream(4)))
    with pytest.raises(MeaninglessDiagnosticError, match="24 draws are too few"):
        loo(draws_of_posterior(ONE, fit, draws=24, stream=Stream(4)))
    sure = Bernoulli({n: torch.full_like(v, 40.0) for n, v in fit.logits.items()})
    with pytest.raises(MeaninglessDiagnosticError, match="all draws say the same"):
        loo(draws_of_posterior(ONE, sure, draws=30, stream=Stream(4)))
    bare = draws_of_posterior(ONE, fit, draws=30, stream=Stream(4))
    bare = FunctionDraws(bare.probabilities, bare.labels, Origin.ONE_FIT)
    with pytest.raises(MeaninglessDiagnosticError, match="use draws_of_posterior"):
        loo(bare)


def said(confidence: float, *, labels: np.ndarray | None = None) -> FunctionDraws:
    """Two chains that give the label about that probability."""
    labels = np.arange(40) % 2 if labels is None else labels
    spread = Stream(7).numpy().uniform(-0.05, 0.05, (2, 200, len(labels)))
    right = confidence + spread
    first = np.where(labels == 0, right, 1 - right)
    return FunctionDraws(np.stack([first, 1 - first], -1), labels, Origin.MARKOV_CHAINS)


def test_a_good_rule_is_ranked_above_a_bad_one() -> None:
    rules = {"bad": said(0.55), "best": said(0.9), "good": loo(said(0.8))}
    rows = compare(rules)
    assert [row.name for row in rows] == ["best", "good", "bad"]
    one, other = loo(rules["best"]), loo(rules["bad"])
    np.testing.assert_allclose(rows[2].difference, one.elpd - other.elpd)
    apart = one.pointwise - other.pointwise
    np.testing.assert_allclose(rows[2].difference_se, np.sqrt(40 * apart.var()))
    assert rows[0].difference == 0
    np.testing.assert_allclose(sum(row.weight for row in rows), 1)
    assert rows[0].weight > 0.9
    np.testing.assert_allclose(rows[0].worst_k, one.pareto_k.max())
    assert rows[0].unreliable == len(one.unreliable())


def test_comparisons_that_compare_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="needs two rules or more"):
        compare({"one": said(0.8)})
    with pytest.raises(ValueError, match="labels differ"):
        compare({"one": said(0.8), "two": said(0.8, labels=(np.arange(40) + 1) % 2)})
    with pytest.raises(ValueError, match=r"\{'one': 40, 'two': 12\}"):
        compare({"one": loo(said(0.8)), "two": loo(chains(ONE, draws=50))})
    networks = FunctionDraws(said(0.8).probabilities, said(0.8).labels, Origin.NETWORKS)
    with pytest.raises(MeaninglessDiagnosticError, match="'ensemble': trained networks"):
        compare({"one": said(0.8), "ensemble": networks})


def test_arviz_s_own_function_for_approximate_posteriors_agrees() -> None:
    """At tempering 1, which is all that it knows, and where there are no ties."""
    draws, _ = gaussian(1.4, seed=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        approximate = importlib.import_module("arviz_stats").loo_approximate_posterior
        theirs = approximate(
            to_arviz(draws), draws.log_joint().ravel(), draws.log_q.ravel(), pointwise=True
        )
    ours = loo(draws)
    np.testing.assert_allclose(ours.pointwise, np.asarray(theirs.elpd_i), rtol=1e-3)
    np.testing.assert_allclose(ours.pareto_k, np.asarray(theirs.pareto_k), atol=0.05)
