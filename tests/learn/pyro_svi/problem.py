"""The ten-weight spiking network with a prior and logits, and what enumeration says of it."""

import torch
from torch import Tensor

from bayesnn_spike.learn import RateCrossEntropy, Temperature
from bayesnn_spike.learn.initial import Given
from bayesnn_spike.learn.optimizers import Sgd
from bayesnn_spike.learn.pyro_svi import PyroSvi, SviLearner, pyro_svi
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights
from tests.ops import cases
from tests.oracles import enumeration as exact

NETWORK, BATCH = exact.small_network(), exact.small_batch()
LOSS, TEMPERATURE = RateCrossEntropy(), Temperature(4, tempering=0.8)
RHO = TEMPERATURE.rho
LOSSES = exact.all_losses(NETWORK, BATCH)
LOGITS, PRIOR = 0.7 * cases.normal(10), 0.5 * cases.normal(10, seed=5)


def by_name(row: Tensor) -> Weights:
    """A row of ten numbers as parameters."""
    return {n: w[0] for n, w in exact.split(row[None], exact.parameters(NETWORK)).items()}


def free_energy() -> Tensor:
    """F = E_q[L] + rho KL."""
    return exact.free_energy(LOGITS, PRIOR, LOSSES, RHO)


def gradient() -> Tensor:
    """dF / dlambda, ten numbers."""
    mu = LOGITS.tanh()
    return (exact.gradient(mu, LOSSES) + RHO * (LOGITS - PRIOR)) * (1 - mu**2)


def small_learner(elbo) -> SviLearner:
    """A learner whose step is its gradient."""
    method = PyroSvi(TEMPERATURE, elbo, Sgd(1.0), Given())
    return pyro_svi(method, NETWORK, LOSS, example=BATCH, prior=Bernoulli(by_name(PRIOR)))


def gradients(learn: SviLearner, logits: Weights, runs: int, batch=BATCH) -> Tensor:
    """Gradients of runs that share their logits and hand on their baselines, `[runs, d]`."""
    state = learn.init(Stream(3), logits)
    rows = []
    for _ in range(runs):
        after, _ = learn.update(state, batch)
        names = [f"{n}.logits" for n in logits]
        rows.append(exact.join({n: state.rule.params[n] - after.rule.params[n] for n in names}))
        keep = {n: state.rule.params[n] for n in names}
        inner = after.rule._replace(params=after.rule.params | keep)
        state = after._replace(rule=inner)
    return torch.stack(rows)
