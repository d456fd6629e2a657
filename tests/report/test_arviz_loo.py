"""ArviZ's own leave-one-out estimate: right, or warned of in a note, or with nothing to find."""

import warnings

import numpy as np
import pytest
import torch

from bayesnn_spike.learn.enumerate import enumerate_posterior
from bayesnn_spike.posterior import Point
from bayesnn_spike.report._arviz_compat import _arviz
from bayesnn_spike.report.arviz import to_arviz
from bayesnn_spike.report.function_draws import (
    FunctionDraws,
    Origin,
    draws_of_chains,
    draws_of_posterior,
)
from bayesnn_spike.report.loo import loo
from bayesnn_spike.rng import Stream
from tests.oracles import enumeration
from tests.report import posterior_case


def chains(tempering: float) -> FunctionDraws:
    """Independent draws of the exact posterior, as the best chains would give them."""
    one = posterior_case.target(tempering=tempering)
    table, mass = enumeration.sign_table(one.size), posterior_case.exact(one)
    generator = Stream(8).generator()
    rows = table[torch.multinomial(mass, 4000, True, generator=generator)]
    return draws_of_chains(one, rows.view(4, 1000, -1))


def exact_elpd(tempering: float) -> float:
    """sum_i log sum_w p(w | y without i) p(y_i | w), every example left out in turn."""
    one = posterior_case.target(tempering=tempering)
    logs = posterior_case.all_likelihoods(one)
    joint = one.log_prob(posterior_case.all_weights(one))
    without = (joint[:, None] - logs / tempering).log_softmax(0)
    return float((without + logs).logsumexp(0).sum())


def elpd_of_arviz(data) -> float:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of Pareto k: ten weights make ties
        found = _arviz().loo(data)
    return float(found.elpd_loo if hasattr(found, "elpd_loo") else found.elpd)


def test_of_untempered_chains_arviz_gives_the_enumerated_density() -> None:
    draws = chains(1.0)
    data = to_arviz(draws)
    assert "note" not in data.log_likelihood.attrs
    exact = exact_elpd(1.0)
    assert elpd_of_arviz(data) == pytest.approx(exact, abs=0.1)
    assert loo(draws).elpd == pytest.approx(exact, abs=0.1)


def test_of_tempered_chains_it_would_be_wrong_and_finds_nothing() -> None:
    draws = chains(0.5)
    exact = exact_elpd(0.5)
    assert loo(draws).elpd == pytest.approx(exact, abs=0.15)
    # What plain ArviZ would say, were the group there: the guard has a reason.
    bare = FunctionDraws(draws.probabilities, draws.labels, Origin.MARKOV_CHAINS)
    assert abs(elpd_of_arviz(to_arviz(bare)) - exact) > 0.3
    data = to_arviz(draws)
    assert "log_likelihood" not in data.groups()
    values = data.pointwise_log_likelihood
    np.testing.assert_array_equal(values["label"], draws.log_likelihood)
    assert values.attrs["note"].startswith("the target holds the likelihood to the power 1 / 0.5")
    assert "bayesnn_spike.report.loo.loo" in values.attrs["note"]
    with pytest.raises(TypeError, match="log likelihood not found"):
        _arviz().loo(data)


def test_of_variational_draws_and_networks_a_note_warns() -> None:
    one = posterior_case.target(tempering=1.0)
    fit = posterior_case.mean_field(one)
    point = Point({n: w[0] for n, w in fit.mode().items()})
    for posterior, reason in (
        (fit, "those of a variational fit"),
        ([fit, fit], "those of a variational fit"),
        (point, "no draws of a posterior"),
    ):
        data = to_arviz(draws_of_posterior(one, posterior, draws=30, stream=Stream(4)))
        assert reason in data.log_likelihood.attrs["note"]
        assert "note" not in data.posterior.attrs


def test_draws_of_an_exact_posterior_are_as_good_as_chains() -> None:
    one = posterior_case.target(tempering=1.0)
    posterior, _ = enumerate_posterior(one)
    draws = draws_of_posterior(one, posterior, draws=4000, stream=Stream(5))
    assert draws.origin is Origin.EXACT
    data = to_arviz(draws)
    assert elpd_of_arviz(data) == pytest.approx(exact_elpd(1.0), abs=0.1)
    assert loo(draws).elpd == pytest.approx(exact_elpd(1.0), abs=0.1)
