"""learn/enumerate: against the oracle, and the bound that no free energy goes below."""

from dataclasses import replace

import pytest
import torch

from bayesnn_spike.learn import RateCrossEntropy, Temperature
from bayesnn_spike.learn import target as target_module
from bayesnn_spike.learn.enumerate import enumerate_posterior, free_energy_bound
from bayesnn_spike.learn.target import Target
from bayesnn_spike.models import mlp
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.posterior.flat import flatten
from bayesnn_spike.types import Batch
from tests.learn import small_targets
from tests.ops import cases
from tests.oracles import enumeration

TARGETS = {
    "warm regression": small_targets.regression(1.0),
    "cold regression": small_targets.regression(0.25),
    "spiking": small_targets.spiking(),
}


@pytest.mark.parametrize("name", TARGETS)
def test_posterior_and_evidence_are_the_oracle_s(name: str) -> None:
    target = TARGETS[name]
    masses, bound = small_targets.oracle(target)
    posterior, log_evidence = enumerate_posterior(target)
    torch.testing.assert_close(posterior.log_mass.exp(), masses)
    assert free_energy_bound(target, log_evidence) == pytest.approx(bound, rel=1e-12)
    means = small_targets.means(masses)
    torch.testing.assert_close(flatten(posterior.mean())[0].double(), means, rtol=0, atol=1e-7)
    best = small_targets.rows(target.size)[masses.argmax()]
    assert torch.equal(flatten(posterior.mode())[0].double(), best)
    torch.testing.assert_close(posterior.entropy(), torch.special.entr(masses).sum())


def test_golden_numbers_of_the_specification() -> None:
    """Its problem 3.8(d): the bound at both temperatures, and the mean at rho = 1."""
    posterior, log_evidence = enumerate_posterior(TARGETS["warm regression"])
    assert -log_evidence == pytest.approx(1.60785364, abs=1e-8)
    expected = torch.tensor([0.727814, -0.788686, 0.533548])
    torch.testing.assert_close(posterior.mean()["w"][0], expected, rtol=0, atol=1e-6)
    _, cold = enumerate_posterior(TARGETS["cold regression"])
    assert -0.25 * cold == pytest.approx(0.59211719, abs=1e-8)


@pytest.mark.parametrize("name", TARGETS)
def test_no_mean_field_goes_below_the_bound(name: str) -> None:
    """F(q) = F* + rho KL(q || posterior) for 50 random q: above, and by exactly the divergence."""
    target = TARGETS[name]
    posterior, log_evidence = enumerate_posterior(target)
    rho, bound = target.temperature.rho, free_energy_bound(target, log_evidence)
    table = enumeration.sign_table(target.size)
    losses = target.losses(enumeration.split(table, dict(target.network.named_parameters())))
    prior = enumeration.join(target.prior.logits)
    for seed in range(50):
        logits = 1.5 * cases.normal(target.size, seed=seed).double()
        leaves = enumeration.split(logits[None], dict(target.network.named_parameters()))
        q = Bernoulli({n: v[0] for n, v in leaves.items()})
        free_energy = float(enumeration.free_energy(logits, prior, losses, rho))
        assert free_energy > bound
        gap = rho * float(posterior.kl_from(q))
        assert free_energy == pytest.approx(bound + gap, rel=1e-9)


def test_a_product_posterior_is_reached_by_mean_field() -> None:
    """The bound is no empty one: where the posterior is Bernoulli, F equals it."""
    target = small_targets.spiking(tempering=1e12)  # the prior
    posterior, log_evidence = enumerate_posterior(target)
    assert float(posterior.kl_from(target.prior)) == pytest.approx(0, abs=1e-9)
    assert log_evidence == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("packed", [False, True])
def test_numbers_and_the_packed_engine_give_the_same_posterior_whatever_the_chunks(
    packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Networks of 20 weights have no layer of 32 outputs, so only force takes them to the bits."""
    calls, pack = [], target_module.pack_signs
    monkeypatch.setattr(target_module, "pack_signs", lambda w: calls.append(1) or pack(w))
    if packed:
        monkeypatch.setattr(Target, "_pays_off", True)
    double = small_targets.spiking()
    network = mlp(3, (2,), 2, gain_in=2.0, gain_out=2.0)
    batch = Batch(double.batch.spikes.float(), double.batch.labels)
    single = Target(network, RateCrossEntropy(), batch, double.temperature, double.prior)
    expected, evidence = enumerate_posterior(double)
    for draws in (1024, 300):
        calls.clear()
        found, found_evidence = enumerate_posterior(replace(single, draws_at_once=draws))
        assert len(calls) == (-(-1024 // draws) if packed else 0)
        torch.testing.assert_close(found.log_mass, expected.log_mass, rtol=1e-5, atol=2e-5)
        assert found_evidence == pytest.approx(evidence, abs=1e-5)


def test_a_prior_of_fair_coins_is_the_default() -> None:
    with_prior = small_targets.regression(1.0)
    fair = replace(with_prior, prior=Bernoulli({"w": torch.zeros(3, dtype=torch.float64)}))
    expected, _ = enumerate_posterior(fair)
    found, _ = enumerate_posterior(replace(with_prior, prior=None))
    assert torch.equal(found.log_mass, expected.log_mass)


def test_a_network_with_too_many_weights_is_refused() -> None:
    network = mlp(3, (5,), 2)
    batch = Batch(torch.zeros(2, 1, 3), torch.zeros(1, dtype=torch.int64))
    target = Target(network, RateCrossEntropy(), batch, Temperature(1))
    with pytest.raises(ValueError, match=r"25 weights are 2\^25 networks"):
        enumerate_posterior(target)
