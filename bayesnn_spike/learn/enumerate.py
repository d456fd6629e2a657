"""The exact posterior of a network with few binary weights: all 2^d networks are run."""

import torch

from bayesnn_spike.learn.target import Target, require_on_cpu
from bayesnn_spike.posterior.exact import Exact
from bayesnn_spike.posterior.flat import flatten
from bayesnn_spike.posterior.table import count_of, log_products, weights_at


def enumerate_posterior(target: Target) -> tuple[Exact, float]:
    """Run every network of `target` and return (its posterior, its log evidence log Z).

    Z = sum over w of p0(w) exp(-L(w) / rho). No distribution has a free energy E_q L + rho
    KL(q || p0) below -rho log Z (`free_energy_bound`), and only the posterior reaches it.

    The signs are cut out of the numbers 0 to 2^d - 1, and no more than `target.draws_at_once` of
    the networks exist at a time. Networks this narrow run as numbers, which is faster than bits;
    benchmarks/enumeration.md has what a million of them take.

    Raises:
        ValueError: more than 20 weights, a loss that is not finite, or another device than the CPU.

    Oracle: tests/learn/test_enumerate.py.
    """
    require_on_cpu(target, "enumeration runs")
    count = count_of(target.shapes)
    losses = torch.empty(count, dtype=torch.float64)
    for first in range(0, count, target.draws_at_once):
        numbers = torch.arange(first, min(first + target.draws_at_once, count))
        weights = weights_at(numbers, target.shapes, dtype=target.dtype)
        losses[first : first + len(numbers)] = target.losses(weights)
    prior = torch.zeros(1, target.size)
    if target.prior is not None:
        prior = flatten({n: v[None] for n, v in target.prior.logits.items()})
    log_mass = log_products(prior[0]) - losses / target.temperature.rho
    return Exact(log_mass, target.shapes), float(log_mass.logsumexp(0))


def free_energy_bound(target: Target, log_evidence: float) -> float:
    """Return F* = -rho log Z, the least free energy of any distribution, in units of the loss."""
    return -target.temperature.rho * log_evidence
