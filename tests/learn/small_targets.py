"""Targets with few weights, and their posteriors by the enumeration oracle."""

import torch
from torch import Tensor

from bayesnn_spike.learn import RateCrossEntropy, Temperature
from bayesnn_spike.learn.target import Target
from bayesnn_spike.posterior import Bernoulli
from tests.learn.rules.problems import BATCH, outputs_are_losses
from tests.oracles import enumeration, quadratic


def regression(rho: float) -> Target:
    """The quadratic with three weights, at a temperature, under its prior."""
    problem, prior = quadratic.quadratic_problem(), Bernoulli({"w": quadratic.PRIOR})
    return Target(problem, outputs_are_losses, BATCH, Temperature(1, tempering=rho), prior)


def spiking(tempering: float = 0.8) -> Target:
    """The spiking network with ten weights, under a prior of different coins."""
    network = enumeration.small_network()
    logits = torch.linspace(-0.5, 0.6, 10, dtype=torch.float64)
    prior = Bernoulli(
        {n: v[0] for n, v in enumeration.split(logits[None], _params(network)).items()}
    )
    temperature = Temperature(4, tempering=tempering)
    return Target(network, RateCrossEntropy(), enumeration.small_batch(), temperature, prior)


def oracle(target: Target) -> tuple[Tensor, float]:
    """(masses `[2^d]` by number, -rho log Z), from the oracle's own table."""
    logits = enumeration.join(target.prior.logits).double()
    table = enumeration.sign_table(target.size)
    outputs, _ = torch.func.functional_call(
        target.network, enumeration.split(table, _params(target.network)), (target.batch.spikes,)
    )
    losses = target.loss(outputs, target.batch.labels).detach()
    masses, bound = enumeration.gibbs(logits, losses, target.temperature.rho)
    # The oracle's first weight is its highest bit; here it is the lowest.
    numbers = ((table > 0).long() << torch.arange(target.size)).sum(1)
    return torch.empty_like(masses).scatter_(0, numbers, masses), float(bound)


def means(masses: Tensor) -> Tensor:
    """E[w], `[d]`, of masses by number."""
    size = len(masses).bit_length() - 1
    return masses @ rows(size)


def rows(size: int) -> Tensor:
    """All sign vectors by number, `[2^d, d]`."""
    return 2.0 * (torch.arange(2**size)[:, None] >> torch.arange(size) & 1).double() - 1


def _params(network: torch.nn.Module) -> dict[str, Tensor]:
    return enumeration.parameters(network)
