"""R-hat and ESS where they mean something, and a refusal with its reason where they do not."""

import numpy as np
import pytest
import torch

from bayesnn_spike.learn.enumerate import enumerate_posterior
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.report.diagnostics import (
    MeaninglessDiagnosticError,
    convergence,
    effective_sample_size,
    r_hat,
)
from bayesnn_spike.report.function_draws import (
    FunctionDraws,
    Origin,
    draws_of_chains,
    draws_of_posterior,
)
from bayesnn_spike.rng import Stream
from tests.oracles import enumeration
from tests.report import posterior_case

CHAINS = Origin.MARKOV_CHAINS


def autoregressive(phi: float, *shape: int) -> np.ndarray:
    """Stationary x_t = phi x_t-1 + noise along axis 1, variance 1."""
    noise = Stream(5).numpy().normal(size=shape)
    found = noise.copy()
    for t in range(1, shape[1]):
        found[:, t] = phi * found[:, t - 1] + (1 - phi**2) ** 0.5 * noise[:, t]
    return found


def test_mixed_chains_have_an_r_hat_of_one_and_stuck_ones_have_not() -> None:
    mixed = autoregressive(0.3, 4, 500, 3)
    assert (r_hat(mixed, CHAINS) < 1.01).all()
    stuck = mixed.copy()
    stuck[2, :, 1] += 2.0  # one chain of one entry is elsewhere
    found = r_hat(stuck, CHAINS)
    assert found.shape == (3,)
    assert found[1] > 1.1
    assert (found[[0, 2]] < 1.01).all()
    wide = mixed[..., 0].copy()
    wide[1] *= 4.0  # same place, other width: only the folded ranks see it
    assert r_hat(wide, CHAINS) > 1.1


def test_chains_that_stand_still_in_different_places_never_agree() -> None:
    assert r_hat(np.repeat([[0.0], [1.0]], 10, axis=1), CHAINS) == np.inf


def test_the_ess_of_an_autoregressive_chain_is_known() -> None:
    """S (1 - phi) / (1 + phi); over 20 seeds its relative deviation is 0.04, so 5 sigma."""
    values = autoregressive(0.6, 4, 2500)
    expected = 10_000 * 0.4 / 1.6
    assert abs(effective_sample_size(values, CHAINS) / expected - 1) < 0.2
    tails = effective_sample_size(values, CHAINS, tails=True)
    assert expected < tails < 10_000  # quantiles forget faster than the mean
    assert effective_sample_size(values[:1], CHAINS).shape == ()


def exact_chains(*, stuck: bool) -> FunctionDraws:
    """Independent draws of the exact posterior; stuck ones have one weight's sign frozen each."""
    one = posterior_case.target()
    table, mass = enumeration.sign_table(one.size), posterior_case.exact(one)
    rows = []
    for chain in range(4):
        allowed = mass.clone()
        if stuck:
            # One half of the outputs' signs for each chain: functions that never meet.
            ups = table[:, 6:].sum(1) * (-1) ** chain
            allowed[ups < 2] = 0
        generator = Stream(8).child(chain).generator()
        rows.append(table[torch.multinomial(allowed, 300, True, generator=generator)])
    return draws_of_chains(one, torch.stack(rows))


def test_functions_of_mixed_and_of_stuck_chains() -> None:
    rows = convergence(exact_chains(stuck=False), probes=[0, 3])
    assert [row.name for row in rows][:2] == ["probability[0, 0]", "probability[0, 1]"]
    assert {"loss", "accuracy", "log_prior", "activity[0]"} < {row.name for row in rows}
    assert all(row.r_hat < 1.03 and row.refusal == "" for row in rows)
    assert all(600 < row.ess_bulk < 2000 for row in rows)
    stuck = {row.name: row for row in convergence(exact_chains(stuck=True), probes=[0, 3])}
    assert max(row.r_hat for row in stuck.values()) > 1.1


def test_restarts_are_compared_and_one_fit_is_refused() -> None:
    one = posterior_case.target()
    fit = posterior_case.mean_field(one)
    other = Bernoulli({n: v + 1.5 for n, v in fit.logits.items()})
    same = draws_of_posterior(one, [fit, fit, fit], draws=300, stream=Stream(0))
    assert max(row.r_hat for row in convergence(same)) < 1.05
    apart = draws_of_posterior(one, [fit, other], draws=300, stream=Stream(0))
    assert max(row.r_hat for row in convergence(apart)) > 1.2
    alone = draws_of_posterior(one, fit, draws=300, stream=Stream(0))
    with pytest.raises(MeaninglessDiagnosticError, match="train from several starts"):
        convergence(alone)


def test_of_an_exact_posterior_the_standard_error_is_asked_for_instead() -> None:
    one = posterior_case.target()
    posterior, _ = enumerate_posterior(one)
    draws = draws_of_posterior(one, posterior, draws=50, stream=Stream(0))
    with pytest.raises(MeaninglessDiagnosticError, match=r"every draw counts.*standard error"):
        convergence(draws)
    # One that is compared with a fit is a restart like another.
    both = [posterior, posterior_case.mean_field(one)]
    assert draws_of_posterior(one, both, draws=50, stream=Stream(0)).origin is Origin.RESTARTS


def test_a_constant_is_named_beside_the_others() -> None:
    draws = exact_chains(stuck=False)
    still = FunctionDraws(
        draws.probabilities,
        draws.labels,
        CHAINS,
        statistics={"still": np.ones((4, 300)), "moving": draws.log_prior},
    )
    rows = {row.name: row for row in convergence(still, probes=[0])}
    assert np.isnan(rows["still"].r_hat)
    assert "a constant has no variance" in rows["still"].refusal
    assert rows["moving"].r_hat < 1.03
    fixed = np.broadcast_to([0.3, 0.7], (4, 300, 2, 2)).copy()
    with pytest.raises(MeaninglessDiagnosticError, match="all 6 quantities are constant"):
        convergence(FunctionDraws(fixed, np.array([0, 1]), CHAINS))


GOOD = autoregressive(0.0, 2, 50)


@pytest.mark.parametrize("measure", [r_hat, effective_sample_size])
@pytest.mark.parametrize(
    ("values", "origin", "advice"),
    [
        (GOOD, Origin.ONE_FIT, "however wrong the fit is; train from several starts"),
        (GOOD, Origin.EXACT, r"independent: .* sd / sqrt\(draws\); .*Exact.mean"),
        (GOOD, Origin.NETWORKS, "trained networks are no draws; compare their predictions"),
        (GOOD[:, :3], CHAINS, "3 draws a chain are too few .* take 4"),
        (np.ones((2, 50)), CHAINS, "a constant has no variance to compare; leave it out"),
        (np.stack([GOOD, 0 * GOOD], -1), CHAINS, r"1 of 2 entries, first \(1,\): a constant"),
    ],
)
def test_what_means_nothing_is_refused(measure, values, origin, advice) -> None:
    with pytest.raises(MeaninglessDiagnosticError, match=advice):
        measure(values, origin)


def test_one_chain_has_an_ess_and_no_r_hat() -> None:
    with pytest.raises(MeaninglessDiagnosticError, match="there is 1; run 2 or more"):
        r_hat(GOOD[:1], CHAINS)
    assert effective_sample_size(GOOD[:1], CHAINS) > 10


def test_other_guards() -> None:
    with pytest.raises(ValueError, match=r"must be \[chains, draws, ..\]"):
        r_hat(np.zeros(5), CHAINS)
    with pytest.raises(ValueError, match="not finite"):
        r_hat(np.where(GOOD > 2, np.nan, GOOD) if (GOOD > 2).any() else GOOD * np.nan, CHAINS)
