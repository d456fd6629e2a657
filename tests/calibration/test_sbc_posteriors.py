"""Simulation-based calibration of posteriors over a binary spiking network's weights.

Prior draw -> network -> softmax -> labels. Exact posteriors and Markov chains pass. Independent
weights fail: too narrow ones by their sum, those with the exact means by the likelihood.
"""

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from bayesnn_spike.calibration.sbc import Ranks, simulate_ranks
from bayesnn_spike.calibration.uniform_ranks import rank_histogram, uniformity
from bayesnn_spike.learn import RateCrossEntropy, Temperature
from bayesnn_spike.learn.enumerate import enumerate_posterior
from bayesnn_spike.learn.mcmc import Gibbs, run_chains
from bayesnn_spike.learn.target import Target
from bayesnn_spike.models import mlp
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.posterior.flat import flatten, shapes_of
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch
from bayesnn_spike.weights import dense
from tests.ops import cases

NETWORK = mlp(2, (2,), 2, gain_in=3.0, gain_out=2.0).double()
SHAPES = shapes_of(dict(NETWORK.named_parameters()))
SPIKES = cases.spikes(6, 12, 2, seed=5, rate=0.5, dtype=torch.float64)
PRIOR = Bernoulli({n: torch.full(s, 0.2, dtype=torch.float64) for n, s in SHAPES.items()})
DRAWS, STREAM = 31, Stream(2)


def numbers(weights) -> dict[str, Tensor]:
    return {name: dense(w).double() for name, w in weights.items()}


def simulate(stream: Stream):
    """Weights of the prior, and the target with labels of their softmax."""
    truth = numbers(PRIOR.sample(1, stream.child("prior")))
    outputs, _ = functional_call(NETWORK, truth, (SPIKES,))
    chances = outputs.detach()[0].mean(0).softmax(-1)  # [B, C], as RateCrossEntropy has it
    u = torch.from_numpy(stream.child("labels").numpy().random(len(chances)))
    batch = Batch(SPIKES, (u > chances[:, 0]).long())
    return truth, Target(NETWORK, RateCrossEntropy(), batch, Temperature(12), PRIOR)


def exact(target: Target, draws: int, stream: Stream):
    return numbers(enumerate_posterior(target)[0].sample(draws, stream))


def chains(target: Target, draws: int, stream: Stream):
    """The ends of as many chains after five sweeps."""
    found = run_chains(Gibbs(), target, chains=draws, draws=1, burn_in=4, stream=stream)
    return numbers(found.posterior().weights)


def mean_field(factor: float):
    """Independent weights with the exact means, their logits times a factor."""

    def sample(target: Target, draws: int, stream: Stream):
        chances = enumerate_posterior(target)[0].marginals()
        logits = {n: factor * p.logit() / 2 for n, p in chances.items()}
        return numbers(Bernoulli(logits).sample(draws, stream))

    return sample


def statistics(weights, target: Target) -> dict[str, Tensor]:
    rows = flatten(weights)
    found = {"weights at +1": rows.sum(1), "log likelihood": target.log_likelihood(weights)}
    return found | {f"weight {j}": rows[:, j] for j in (0, 3, 7)}


def ranks_of(sample, simulations: int) -> Ranks:
    return simulate_ranks(
        simulate, sample, statistics, simulations=simulations, draws=DRAWS, stream=STREAM
    )


def p_values(ranks: Ranks) -> dict[str, float]:
    return {n: uniformity(v, DRAWS, stream=STREAM) for n, v in ranks.values.items()}


@pytest.mark.parametrize(("sample", "simulations"), [(exact, 200), (chains, 64)])
def test_exact_posteriors_and_chains_are_calibrated(sample, simulations: int) -> None:
    """Five statistics, none below 0.05 / 5."""
    found = p_values(ranks_of(sample, simulations))
    assert min(found.values()) > 0.01, found


def test_a_mean_field_that_is_too_narrow_is_found_out() -> None:
    """Three times the logits: the truth lies outside, in the outer quarters."""
    ranks = ranks_of(mean_field(3.0), 120)
    assert p_values(ranks)["weights at +1"] * 5 < 0.005
    counts = rank_histogram(ranks.values["weights at +1"], DRAWS, 4)
    assert counts[0] + counts[3] > 1.5 * (counts[1] + counts[2])


@pytest.mark.parametrize("factor", [1.0, 0.0], ids=["exact means", "fair coins"])
def test_independent_weights_are_found_out_by_the_likelihood(factor: float) -> None:
    """The truth explains the data better than weights that do not know of each other."""
    ranks = ranks_of(mean_field(factor), 120)
    found = p_values(ranks)
    assert found["log likelihood"] * 5 < 0.005
    counts = rank_histogram(ranks.values["log likelihood"], DRAWS, 4)
    assert counts[3] > counts[:3].max()
    # With the exact means no single weight shows it.
    single = [p for name, p in found.items() if name.startswith("weight ")]
    assert min(single) > 0.01
