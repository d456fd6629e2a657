"""The predictive distribution against the enumeration of all weights."""

import math

import pytest
import torch

from bayesnn_spike.learn.losses import class_logits
from bayesnn_spike.models import mlp
from bayesnn_spike.posterior import Bernoulli, Empirical
from bayesnn_spike.predict import (
    Committee,
    Ensemble,
    MeanOfSteps,
    Mode,
    SoftmaxOfMean,
    SoftmaxOfRate,
    Vote,
    predict,
)
from bayesnn_spike.rng import Stream
from tests.ops import cases
from tests.oracles import enumeration as exact

NETWORK = mlp(3, (2,), 2, gain_in=2.0, gain_out=2.0)
PARAMS = exact.parameters(NETWORK)
SPIKES = cases.spikes(6, 7, 3, seed=4, rate=0.5)
WEIGHTS = {n: w.float() for n, w in exact.split(exact.sign_table(10), PARAMS).items()}


def readouts() -> torch.Tensor:
    """r of every network, `[2^d, T, N, C]`."""
    outputs, _ = torch.func.functional_call(NETWORK, WEIGHTS, (SPIKES,))
    return class_logits(outputs.detach()).double()


def named(logits: torch.Tensor) -> Bernoulli:
    return Bernoulli({n: v[0].float() for n, v in exact.split(logits[None], PARAMS).items()})


LOGITS = cases.normal(10) * 0.6
Q = exact.probabilities(LOGITS.float().double().tanh())
MEMBERS = readouts().mean(1).softmax(-1)  # [2^d, N, C]
MIXTURE = torch.einsum("k,knc->nc", Q, MEMBERS)


def entropy(p: torch.Tensor) -> torch.Tensor:
    return -(p * p.log()).sum(-1)


@pytest.mark.parametrize("how", [Committee(4000), Ensemble(4000)])
def test_sampled_predictions_average_to_the_mixture(how) -> None:
    found = predict(NETWORK, named(LOGITS), SPIKES, stream=Stream(1), how=how)
    error = (found.probabilities.double() - MIXTURE).abs()
    assert bool((error < 5 * found.standard_error()).all())
    # The error shrinks as promised, and the standard error is the true one.
    deviation = (torch.einsum("k,knc->nc", Q, MEMBERS**2) - MIXTURE**2).sqrt() / math.sqrt(4000)
    torch.testing.assert_close(found.standard_error().double(), deviation, rtol=0.1, atol=1e-5)


def test_all_networks_with_equal_mass_give_the_mixture_exactly() -> None:
    posterior = Empirical(WEIGHTS)
    found = predict(NETWORK, posterior, SPIKES, stream=Stream(1), how=Committee(1024))
    torch.testing.assert_close(found.probabilities.double(), MEMBERS.mean(0), rtol=0, atol=1e-6)
    aleatoric = entropy(MEMBERS).mean(0)
    total = entropy(MEMBERS.mean(0))
    torch.testing.assert_close(found.total().double(), total, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.aleatoric().double(), aleatoric, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.epistemic().double(), total - aleatoric, rtol=0, atol=2e-5)


def test_uncertainties_converge_to_the_enumerated_ones() -> None:
    found = predict(NETWORK, named(LOGITS), SPIKES, stream=Stream(2), how=Committee(4000))
    aleatoric = torch.einsum("k,kn->n", Q, entropy(MEMBERS))
    total = entropy(MIXTURE)
    assert float((found.aleatoric() - aleatoric).abs().max()) < 0.02
    assert float((found.total() - total).abs().max()) < 0.02
    assert float((found.epistemic() - (total - aleatoric)).abs().max()) < 0.02
    assert float((total - aleatoric).max()) > 0.02


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        (SoftmaxOfRate(), lambda r: r.mean(1).softmax(-1).mean(0)),
        (MeanOfSteps(), lambda r: r.softmax(-1).mean((0, 1))),
        (SoftmaxOfMean(), lambda r: r.mean((0, 1)).softmax(-1)),
    ],
    ids=["softmax_of_rate", "mean_of_steps", "softmax_of_mean"],
)
def test_every_pooling_order_over_all_networks(pooling, expected) -> None:
    found = predict(
        NETWORK,
        Empirical(WEIGHTS),
        SPIKES,
        stream=Stream(1),
        how=Committee(1024),
        pooling=pooling,
    )
    torch.testing.assert_close(
        found.probabilities.double(), expected(readouts()), rtol=0, atol=2e-6
    )


def test_votes_are_the_mass_of_the_networks_that_say_so() -> None:
    found = predict(NETWORK, Empirical(WEIGHTS), SPIKES, stream=Stream(1), how=Vote(1024))
    winners = torch.nn.functional.one_hot(MEMBERS.float().argmax(-1), 2)
    torch.testing.assert_close(found.probabilities, winners.float().mean(0))


@pytest.mark.parametrize("draws", [1, 8, 30])
def test_certain_weights_leave_the_mode_alone(draws: int) -> None:
    """lambda -> inf: ensemble == committee == mode, and nothing is epistemic, exactly."""
    certain = named(LOGITS.sign() * 50)
    mode = predict(NETWORK, certain, SPIKES, stream=Stream(1), how=Mode())
    for how in (Ensemble(draws), Committee(draws)):
        found = predict(NETWORK, certain, SPIKES, stream=Stream(1), how=how)
        torch.testing.assert_close(found.probabilities, mode.probabilities, rtol=1e-6, atol=1e-7)
        assert torch.equal(found.members, mode.members.expand_as(found.members))
        assert torch.equal(found.epistemic(), torch.zeros(7))
        torch.testing.assert_close(found.aleatoric(), mode.total())
