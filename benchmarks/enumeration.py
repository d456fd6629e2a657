"""Time the enumeration of 2^20 networks, and of a part of them packed.

    python benchmarks/enumeration.py

The network is 3-4-2 on 50 examples of 10 steps in float32, one thread. Times are seconds of the
processor, which other programs do not change much. Packed runs are forced: the library takes bits
from layers of 32 outputs on. The rows are those of enumeration.md.
"""

import sys
import time

import torch

from bayesnn_spike.learn import RateCrossEntropy, Temperature
from bayesnn_spike.learn.enumerate import enumerate_posterior
from bayesnn_spike.learn.target import Target
from bayesnn_spike.models import mlp
from bayesnn_spike.posterior.table import weights_at
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch

PART = 2**16


def problem(draws_at_once: int) -> Target:
    """The target: 20 weights, labels that the first input tells."""
    generator = Stream(0).generator()
    spikes = (torch.rand(10, 50, 3, generator=generator) < 0.5).float()
    batch = Batch(spikes, (spikes.mean(0)[:, 0] > 0.5).long())
    network = mlp(3, (4,), 2, gain_in=3.0)
    return Target(network, RateCrossEntropy(), batch, Temperature(50), draws_at_once=draws_at_once)


def seconds_of_a_part(target: Target, *, packed: bool) -> float:
    """Seconds for PART networks, as numbers or as bits, after a run that compiles."""
    target.__dict__["_pays_off"] = packed
    weights = weights_at(torch.arange(PART), target.shapes)
    target.losses({name: w[: target.draws_at_once] for name, w in weights.items()})
    started = time.process_time()
    target.losses(weights)
    return time.process_time() - started


def main() -> None:
    """Write one row a chunk size, and the time of all 2^20."""
    torch.set_num_threads(1)
    for draws in (256, 1024, 4096):
        target = problem(draws)
        numbers, bits = (seconds_of_a_part(target, packed=p) for p in (False, True))
        sys.stdout.write(f"| {draws} | {numbers:.2f} | {bits:.2f} |\n")
    started = time.process_time()
    _, log_evidence = enumerate_posterior(problem(4096))
    took = time.process_time() - started
    sys.stdout.write(f"2^20 networks: {took:.1f} s, log evidence {log_evidence:.6f}\n")


if __name__ == "__main__":
    main()
