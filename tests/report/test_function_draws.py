"""Functions of sampled networks: against the target, predict, and sums over all networks."""

import numpy as np
import pytest
import torch

from bayesnn_spike.calibration import nll
from bayesnn_spike.events.datasets import load
from bayesnn_spike.learn import Local, RateCrossEntropy, StepCrossEntropy, Temperature
from bayesnn_spike.learn.target import Target
from bayesnn_spike.models import local_mlp, mlp
from bayesnn_spike.posterior import Bernoulli, Empirical, Gaussian, Joint, Point
from bayesnn_spike.posterior.flat import flatten, unflatten
from bayesnn_spike.predict import Committee, Predictive, predict
from bayesnn_spike.report.function_draws import (
    FunctionDraws,
    Origin,
    draws_of_chains,
    draws_of_posterior,
    draws_of_predictions,
    has_density,
)
from bayesnn_spike.rng import Stream
from tests.oracles import enumeration
from tests.report import posterior_case

MEMBERS = torch.tensor([[[0.9, 0.1], [0.3, 0.7]], [[0.6, 0.4], [0.2, 0.8]]])  # [K, N, C]
LABELS = torch.tensor([0, 1])


def drawn(**options) -> FunctionDraws:
    one = posterior_case.target()
    fit = posterior_case.mean_field(one)
    return draws_of_posterior(one, fit, draws=30, stream=Stream(3), **options)


@pytest.mark.parametrize("loss", [RateCrossEntropy(), StepCrossEntropy()])
def test_the_parts_add_up_to_the_target(loss) -> None:
    one = posterior_case.target(loss)
    fit = posterior_case.mean_field(one)
    found = draws_of_posterior(one, fit, draws=30, stream=Stream(3))
    weights = fit.sample(30, Stream(3).child("fit", 0))
    assert found.origin is Origin.ONE_FIT
    assert found.probabilities.shape == (1, 30, 12, 2)
    np.testing.assert_allclose(found.log_joint()[0], one.log_prob(weights), rtol=1e-12)
    np.testing.assert_allclose(found.log_prior[0], one.log_prior(weights), rtol=1e-12)
    doubles = {n: w.dense().double() for n, w in weights.items()}
    np.testing.assert_allclose(found.log_q[0], fit.log_prob(doubles), rtol=1e-12)
    total = found.log_likelihood.sum(-1)[0] / one.temperature.tempering
    np.testing.assert_allclose(total, one.log_likelihood(weights), rtol=1e-12)


def test_probabilities_and_nll_are_those_of_predict() -> None:
    network = mlp(3, (2,), 2, gain_in=2.0, gain_out=2.0)
    case = posterior_case.target()
    batch = type(case.batch)(case.batch.spikes.float(), case.batch.labels)
    one = Target(network, RateCrossEntropy(), batch, Temperature(12), draws_at_once=7)
    fit = Bernoulli({n: v.float() for n, v in posterior_case.mean_field(case).logits.items()})
    found = draws_of_posterior(one, fit, draws=20, stream=Stream(3))
    stream = Stream(3).child("fit", 0)
    said = predict(network, fit, batch.spikes, stream=stream, how=Committee(20))
    np.testing.assert_allclose(found.probabilities[0], said.members, atol=1e-6)
    for k in (0, 19):
        expected = float(nll(said.members[k], batch.labels))
        np.testing.assert_allclose(-found.log_likelihood[0, k].mean(), expected, rtol=1e-5)
    np.testing.assert_allclose(found.quantities()["loss"], -found.log_likelihood.mean(-1))


def test_the_size_of_a_chunk_changes_nothing() -> None:
    one = posterior_case.target()
    fit = posterior_case.mean_field(one)
    few = Target(one.network, one.loss, one.batch, one.temperature, one.prior, draws_at_once=4)
    expected = draws_of_posterior(one, fit, draws=10, stream=Stream(3))
    found = draws_of_posterior(few, fit, draws=10, stream=Stream(3))
    for name in ("probabilities", "log_likelihood", "log_prior", "log_q"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-12)
    np.testing.assert_allclose(found.activity["neuron0"], expected.activity["neuron0"])


def test_activity_is_the_mean_spike_of_a_layer() -> None:
    one = posterior_case.target()
    signs = enumeration.sign_table(one.size)[[0, 700, 1023]]
    found = draws_of_chains(one, signs[None])
    weights = unflatten(signs, one.shapes)
    current = torch.einsum("tbi,koi->ktbo", one.batch.spikes, weights["input.weight"])
    spikes, _ = one.network.neuron0(current * 2.0 / 3**0.5)
    expected = spikes.flatten(1).mean(1)
    assert expected.max() > 0
    np.testing.assert_allclose(found.activity["neuron0"][0], expected.detach())
    assert found.quantities()["activity"].shape == (1, 3, 1)


def test_restarts_have_the_density_of_their_mixture() -> None:
    one = posterior_case.target()
    fits = [posterior_case.mean_field(one, scale) for scale in (0.8, 0.1)]
    found = draws_of_posterior(one, fits, draws=5, stream=Stream(3))
    assert found.origin is Origin.RESTARTS
    assert found.probabilities.shape[:2] == (2, 5)
    for chain, fit in enumerate(fits):
        draws = {n: w.dense() for n, w in fit.sample(5, Stream(3).child("fit", chain)).items()}
        both = [each.log_prob(draws).exp() for each in fits]
        np.testing.assert_allclose(np.exp(found.log_q[chain]), (both[0] + both[1]) / 2, rtol=1e-5)


def test_chains_are_run_in_the_order_of_the_network() -> None:
    one = posterior_case.target()
    signs = enumeration.sign_table(one.size)[:24].view(3, 8, 10)
    stats = {"accepted": torch.ones(3, 8)}
    found = draws_of_chains(one, signs, sample_stats=stats)
    assert found.origin is Origin.MARKOV_CHAINS
    assert found.log_q is None
    expected = one.log_prob(unflatten(signs.flatten(0, 1), one.shapes)).view(3, 8)
    np.testing.assert_allclose(found.log_joint(), expected, rtol=1e-12)
    np.testing.assert_array_equal(found.sample_stats["accepted"], np.ones((3, 8)))


def test_predictions_are_taken_as_they_are() -> None:
    said = Predictive(MEMBERS.mean(0), MEMBERS, "mean")
    found = draws_of_predictions([said, said, said], LABELS, origin=Origin.RESTARTS)
    assert found.probabilities.shape == (3, 2, 2, 2)
    np.testing.assert_allclose(np.exp(found.log_likelihood[1]), [[0.9, 0.7], [0.6, 0.8]], rtol=1e-6)
    quantities = found.quantities([1])
    np.testing.assert_allclose(quantities["probability"][0, :, 0], MEMBERS[:, 1], rtol=1e-6)
    np.testing.assert_array_equal(quantities["accuracy"], np.ones((3, 2)))
    assert set(quantities) == {"probability", "loss", "accuracy"}
    assert found.log_joint() is None


def test_what_has_a_density() -> None:
    one = posterior_case.target()
    fit = posterior_case.mean_field(one)
    point = Point({n: w[0] for n, w in fit.mode().items()})
    some = Empirical({n: w.dense() for n, w in fit.sample(3, Stream(0)).items()})
    assert has_density(fit)
    assert has_density(Joint({"all": fit}))
    assert not has_density(point)
    assert not has_density(some)
    assert not has_density(Joint({"a": Bernoulli({"x": torch.zeros(2)}), "b": point}))
    for posterior in (point, some):
        found = draws_of_posterior(one, posterior, draws=3, stream=Stream(3))
        assert found.origin is Origin.NETWORKS
        assert found.log_q is None


def test_doubles_keep_the_density_of_many_weights() -> None:
    """In float32 the sum over a joint posterior of 40,000 weights is off by more than 1e-4."""
    network = mlp(200, (200,), 2)
    data = load("two-moons", bins=4, train_size=4, val_size=0, calib_size=0, test_size=2)
    batch = data.batch(data.splits["train"].indices)
    wide = type(batch)(batch.spikes.repeat(1, 1, 10), batch.labels)
    one = Target(network, RateCrossEntropy(), wide, Temperature(4))
    values = {n: torch.randn(p.shape, generator=Stream(1).child(n).generator()) for n, p in
              network.named_parameters()}  # fmt: skip
    parts = {n: Bernoulli({n: v}) for n, v in values.items()}
    found = draws_of_posterior(one, Joint(parts), draws=2, stream=Stream(3))
    weights = Joint(parts).sample(2, Stream(3).child("fit", 0))
    rows = flatten(weights).double()
    logits = torch.cat([v.flatten() for v in values.values()]).double()
    expected = -torch.log1p(torch.exp(-2 * rows * logits)).sum(1)
    np.testing.assert_allclose(found.log_q[0], expected, rtol=1e-12)


def test_local_readouts_are_scored_by_their_loss() -> None:
    network = local_mlp(3, (2, 2), stream=Stream(0)).double()
    case = posterior_case.target()
    one = Target(network, Local(), case.batch, Temperature(12, scored_steps=6))
    fit = Bernoulli({n: torch.zeros(s) for n, s in one.shapes.items()})
    found = draws_of_posterior(one, fit, draws=4, stream=Stream(3))
    expected = one.log_likelihood(fit.sample(4, Stream(3).child("fit", 0)))
    np.testing.assert_allclose(found.log_likelihood.sum(-1)[0], expected, rtol=1e-6)
    assert len(found.activity) == 2


def test_guards() -> None:
    one = posterior_case.target()
    fit = posterior_case.mean_field(one)
    with pytest.raises(ValueError, match="need at least one posterior"):
        draws_of_posterior(one, [], draws=2, stream=Stream(0))
    real = Gaussian(fit.logits, {n: torch.ones_like(v) for n, v in fit.logits.items()})
    with pytest.raises(ValueError, match="over real weights, and the target's prior over signs"):
        draws_of_posterior(one, real, draws=2, stream=Stream(0))
    with pytest.raises(ValueError, match="draws must be positive"):
        draws_of_posterior(one, fit, draws=0, stream=Stream(0))
    with pytest.raises(ValueError, match=r"signs must be \[chains, draws, d\]"):
        draws_of_chains(one, torch.ones(3, 10))
    said = Predictive(MEMBERS.mean(0), MEMBERS, "mean")
    with pytest.raises(ValueError, match="members of one shape"):
        draws_of_predictions(
            [said, Predictive(MEMBERS.mean(0), MEMBERS[:1], "mean")], LABELS, origin=Origin.RESTARTS
        )
    with pytest.raises(ValueError, match="log_q must be"):
        draws_of_predictions(said, LABELS, origin=Origin.ONE_FIT, log_q=np.zeros((2, 1)))
    with pytest.raises(ValueError, match="tempering must be positive"):
        draws_of_predictions(said, LABELS, origin=Origin.ONE_FIT, tempering=0.0)
    bad = np.array([[0.0, np.inf]])
    with pytest.raises(ValueError, match="log_prior has values that are not finite"):
        draws_of_predictions(said, LABELS, origin=Origin.ONE_FIT, log_prior=bad)
    with pytest.raises(ValueError, match="indices of the 2 examples"):
        draws_of_predictions(said, LABELS, origin=Origin.ONE_FIT).quantities([2])
    with pytest.raises(ValueError, match="statistics"):
        FunctionDraws(
            MEMBERS[None], LABELS, Origin.ONE_FIT, statistics={"x": np.zeros((2, 2))}
        )  # fmt: skip
