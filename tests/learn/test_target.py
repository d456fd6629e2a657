"""learn/target: prior times likelihood, against enumeration and by hand."""

import dataclasses

import pytest
import torch

from bayesnn_spike.learn import RateCrossEntropy, Temperature
from bayesnn_spike.learn import target as target_module
from bayesnn_spike.learn.enumerate import enumerate_posterior
from bayesnn_spike.learn.mcmc import SingleFlip, run_chains
from bayesnn_spike.learn.target import Target
from bayesnn_spike.models import mlp
from bayesnn_spike.nn import Fold, Linear, Sequential
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.posterior.flat import unflatten
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch
from tests.ops import cases
from tests.oracles import enumeration

RHO = Temperature(4, tempering=0.8)


def target(**options) -> Target:
    network = enumeration.small_network()
    return Target(network, RateCrossEntropy(), enumeration.small_batch(), RHO, **options)


def all_weights(one: Target):
    return unflatten(enumeration.sign_table(one.size), one.shapes)


def prior(one: Target) -> Bernoulli:
    return Bernoulli({n: cases.normal(*s, seed=3) for n, s in one.shapes.items()})


def test_losses_are_those_of_every_network() -> None:
    one = target(draws_at_once=100)
    expected = enumeration.all_losses(one.network, one.batch)
    torch.testing.assert_close(one.losses(all_weights(one)), expected)


def test_the_log_probability_is_prior_and_likelihood() -> None:
    one = target()
    one = target(prior=prior(one))
    weights = all_weights(one)
    logits = enumeration.join(one.prior.logits).double()
    expected = enumeration.probabilities(logits.tanh()).log()
    expected = expected - enumeration.all_losses(one.network, one.batch) / RHO.rho
    torch.testing.assert_close(one.log_prob(weights), expected)
    torch.testing.assert_close(one.log_prior(weights).exp().sum().item(), 1.0)


def test_narrow_networks_run_as_numbers_of_float32() -> None:
    network = mlp(3, (2,), 2, gain_in=2.0, gain_out=2.0)
    spikes, labels = enumeration.small_batch()
    one = Target(network, RateCrossEntropy(), Batch(spikes.float(), labels), RHO)
    found = one.losses(unflatten(enumeration.sign_table(one.size).float(), one.shapes))
    expected = enumeration.all_losses(enumeration.small_network(), enumeration.small_batch())
    torch.testing.assert_close(found, expected.float(), rtol=1e-5, atol=1e-6)


def test_wide_networks_run_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's sums are exact: losses are those of numbers, but for the loss's own rounding."""
    spikes, labels = enumeration.small_batch()
    network = mlp(3, (40,), 2, gain_in=2.0, gain_out=2.0)
    one = Target(network, RateCrossEntropy(), Batch(spikes.float(), labels), RHO)
    weights = unflatten(cases.signs(5, one.size), one.shapes)
    outputs, _ = torch.func.functional_call(network, weights, (spikes.float(),))
    expected = one.loss(outputs, labels).detach()
    packed, pack = [], target_module.pack_signs
    monkeypatch.setattr(target_module, "pack_signs", lambda w: packed.append(1) or pack(w))
    torch.testing.assert_close(one.losses(weights), expected, rtol=1e-5, atol=1e-6)
    assert packed


def test_gradients_are_those_of_the_losses() -> None:
    one = target(draws_at_once=3)
    weights = {n: w[-7:] for n, w in all_weights(one).items()}  # neurons fire
    log_prob, slopes = one.with_gradient(weights)
    torch.testing.assert_close(log_prob, one.log_prob(weights))
    leaves = {n: w.clone().requires_grad_() for n, w in weights.items()}
    outputs, _ = torch.func.functional_call(one.network, leaves, (one.batch.spikes,))
    total = -one.loss(outputs, one.batch.labels).sum() / RHO.rho
    found = torch.autograd.grad(total, list(leaves.values()))
    for name, expected in zip(leaves, found, strict=True):
        torch.testing.assert_close(slopes[name], expected)
        assert expected.abs().max() > 0


def test_the_network_s_modes_are_left_alone() -> None:
    one = target()
    one.network.train()
    one.losses({n: w[:1] for n, w in all_weights(one).items()})
    assert all(module.training for module in one.network.modules())


def test_guards() -> None:
    with pytest.raises(ValueError, match="rho must be positive"):
        Target(
            enumeration.small_network(),
            RateCrossEntropy(),
            enumeration.small_batch(),
            Temperature(4, tempering=0.0),
        )
    with pytest.raises(ValueError, match="the prior has"):
        target(prior=Bernoulli({"input.weight": torch.zeros(2, 3)}))
    with pytest.raises(ValueError, match="draws_at_once must be positive"):
        target(draws_at_once=0)
    six = Temperature(6, tempering=0.5)
    with pytest.raises(
        ValueError, match=r"that of 6 examples, the target has 4: .* tempering 0\.333"
    ):
        dataclasses.replace(target(), temperature=six)


def test_the_tempering_that_the_message_names_is_as_sharp() -> None:
    assert Temperature(4, tempering=0.5 * 4 / 6).rho == pytest.approx(Temperature(6, 1, 0.5).rho)


def test_real_parameters_are_no_signs() -> None:
    """An affine normalisation would have its scales enumerated as -1 and +1."""
    network = Sequential(a=Linear(3, 2), norm=Fold(torch.nn.LayerNorm(2), feature_dims=1))
    batch = enumeration.small_batch()
    with pytest.raises(ValueError, match=r"of LayerNorm are real numbers, not binary; build it"):
        Target(network, RateCrossEntropy(), batch, RHO)


@pytest.mark.parametrize("where", ["the network", "the batch", "the prior"])
def test_enumeration_and_chains_are_for_the_cpu(where: str) -> None:
    one = target()
    one = target(prior=prior(one))
    if where == "the network":
        one = dataclasses.replace(one, network=enumeration.small_network().to("meta"))
    elif where == "the batch":
        one = dataclasses.replace(one, batch=Batch(*(v.to("meta") for v in one.batch)))
    else:
        object.__setattr__(
            one.prior, "logits", {n: v.to("meta") for n, v in prior(one).logits.items()}
        )
    message = f"on the CPU only, {where} is on meta"
    with pytest.raises(ValueError, match=f"enumeration runs {message}"):
        enumerate_posterior(one)
    with pytest.raises(ValueError, match=f"chains run {message}"):
        run_chains(SingleFlip(), one, chains=2, draws=1, burn_in=0, stream=Stream(0))


def test_the_order_of_the_prior_s_names_does_not_matter() -> None:
    """A table of all networks and chains lay weights out in a row, in the network's order."""
    one = target()
    logits = prior(one).logits
    found = [
        enumerate_posterior(target(prior=Bernoulli({n: logits[n] for n in names})))
        for names in (list(logits), list(logits)[::-1])
    ]
    assert torch.equal(found[0][0].log_mass, found[1][0].log_mass)
    weights = all_weights(one)
    torch.testing.assert_close(
        found[1][0].log_prob(weights), target(prior=prior(one)).log_prob(weights).log_softmax(0)
    )
