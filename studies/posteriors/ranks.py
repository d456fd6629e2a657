"""Simulation-based calibration of variational posteriors, with the exact one as the control.

Every simulation is a problem of `problem.py` with two hidden units: a prior of its own, ten weights
drawn from it, thirty examples labelled by them. If a posterior is right, the rank of anything that
is computed of the true weights, among the same of draws from the posterior, is uniform. All
posteriors see the same problems.

    python studies/posteriors/ranks.py --simulations 128 --out studies/posteriors/results

writes `ranks.json` (counts of ranks and tests) and `ranks.png` there, goes on with the posteriors
that are not yet in it, and prints the table.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from compare import mean_field
from problem import Problem, problem
from side_by_side import train_bayes, train_pyro
from torch import Tensor
from torch.func import functional_call

from bayesnn_spike.calibration.sbc import simulate_ranks
from bayesnn_spike.calibration.uniform_ranks import uniformity
from bayesnn_spike.io import atomic_write_text
from bayesnn_spike.learn.enumerate import enumerate_posterior
from bayesnn_spike.learn.estimators import (
    Flipout,
    HardStraightThrough,
    LocalReparameterisation,
    Relaxed,
    Score,
)
from bayesnn_spike.learn.pyro_svi import RelaxedStraightThrough
from bayesnn_spike.posterior import AbstractPosterior, Bernoulli
from bayesnn_spike.posterior.exact import Exact
from bayesnn_spike.posterior.flat import flatten
from bayesnn_spike.report.figures import save_png
from bayesnn_spike.report.figures.ranks import rank_grid
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Weights
from bayesnn_spike.weights import dense

HIDDEN, EXAMPLES, NEW = 2, 30, 100
DRAWS, UPDATES, STEP = 31, 200, 0.2
STREAM = Stream(5).child("ranks")
TESTS = STREAM.child("test")
Found = Sequence[AbstractPosterior]
Method = Callable[[Sequence[Problem], Sequence[Exact]], Found]


def simulations(count: int) -> tuple[list[Problem], list[Exact]]:
    """Return problems and their exact posteriors."""
    seeds = [STREAM.child("problem", s).seed for s in range(count)]
    problems = [problem(seed, hidden=HIDDEN, examples=EXAMPLES) for seed in seeds]
    return problems, [enumerate_posterior(p.target(draws_at_once=1024))[0] for p in problems]


def exact(problems: Sequence[Problem], exacts: Sequence[Exact]) -> Found:
    """The control."""
    del problems
    return exacts


def best(problems: Sequence[Problem], exacts: Sequence[Exact]) -> Found:
    """What the family of independent weights can do: the free energy's minimum, no estimator."""
    del problems
    return [mean_field(e, STREAM.child("best", s), starts=3) for s, e in enumerate(exacts)]


def learned(train: Any, how: Any) -> Method:
    """A posterior that is learned, all problems at once."""

    def run(problems: Sequence[Problem], exacts: Sequence[Exact]) -> Found:
        del exacts
        return train(problems, how, STREAM.child("train"), updates=UPDATES, step=STEP)

    return run


METHODS: dict[str, Method] = {
    "exact": exact,
    "best mean field": best,
    "Bayes-BiSNN, score": learned(train_bayes, Score(32)),
    "Bayes-BiSNN, hard": learned(train_bayes, HardStraightThrough(8)),
    "Bayes-BiSNN, flipout": learned(train_bayes, Flipout(8)),
    "Bayes-BiSNN, relaxed 0.5": learned(train_bayes, Relaxed(0.5, 8)),
    "Bayes-BiSNN, local": learned(train_bayes, LocalReparameterisation(8)),
    "Pyro, relaxed 0.5": learned(train_pyro, RelaxedStraightThrough(0.5, 8)),
}


@torch.no_grad()
def quantities(weights: Weights, data: tuple[Problem, Any]) -> dict[str, Tensor]:
    """Of the weights, of their fit, and of the function that they are on inputs not seen."""
    given, _ = data
    rows = flatten(weights)
    readout, _ = functional_call(given.network, weights, (given.test.spikes[:, :NEW],))
    chances = readout.mean(-3).softmax(-1)  # [K, NEW, C]
    return {
        "one weight": rows[:, 0],
        "weights at +1": rows.sum(1),
        "log likelihood of the data": given.target().log_likelihood(weights),
        "class 1 at a new input": chances[:, 0, 1],
        "mean confidence at new inputs": chances.amax(-1).mean(-1),
    }


def ranks_of(problems: Sequence[Problem], found: Found) -> dict[str, np.ndarray]:
    """Return the ranks of the true weights' quantities among those of draws, `[S]` each."""
    pairs: Iterator[tuple[Problem, AbstractPosterior]] = iter(zip(problems, found, strict=True))

    def simulate(stream: Stream) -> tuple[Weights, tuple[Problem, AbstractPosterior]]:
        del stream  # a problem has a seed of its own
        pair = next(pairs)
        return pair[0].truth, pair

    def sample(data: tuple[Problem, AbstractPosterior], draws: int, stream: Stream) -> Weights:
        return {name: dense(w).float() for name, w in data[1].sample(draws, stream).items()}

    return simulate_ranks(
        simulate, sample, quantities, simulations=len(problems), draws=DRAWS, stream=STREAM
    ).values


def summary(method: str, name: str, ranks: np.ndarray) -> dict[str, Any]:
    """Return counts of the ranks 0 to L and what they say."""
    edge = (DRAWS + 1) // 8
    outer = (ranks < edge) | (ranks > DRAWS - edge)
    return {
        "counts": np.bincount(ranks, minlength=DRAWS + 1).tolist(),
        "p": uniformity(ranks, DRAWS, stream=TESTS.child(method, name)),
        "outer_share": float(outer.mean()),
        "mean_rank": float(ranks.mean() / DRAWS),
    }


def run(name: str, problems: Sequence[Problem], exacts: Sequence[Exact]) -> dict[str, Any]:
    """Find the posterior of every problem, and rank."""
    started = time.process_time()
    found = METHODS[name](problems, exacts)
    seconds = time.process_time() - started
    result: dict[str, Any] = {"seconds": round(seconds, 1)}
    independent = [q for q in found if isinstance(q, Bernoulli)]
    if independent:
        gaps = [float(e.kl_from(q)) for e, q in zip(exacts, independent, strict=True)]
        entropies = [float(q.entropy()) for q in independent]
        result |= {"kl": float(np.mean(gaps)), "entropy": float(np.mean(entropies))}
    else:
        result["entropy"] = float(np.mean([float(e.entropy()) for e in exacts]))
    ranks = ranks_of(problems, found)
    return result | {"quantities": {n: summary(name, n, v) for n, v in ranks.items()}}


def table(methods: dict[str, Any]) -> str:
    """Return shares in the outer quarter, mean ranks and p-values as markdown."""
    names = list(next(iter(methods.values()))["quantities"])
    lines = [
        "| posterior | KL(q, exact) | entropy | " + " | ".join(names) + " |",
        "| --- | ---: | ---: |" + " ---: |" * len(names),
    ]
    for method, found in methods.items():
        cells = [
            f"{q['outer_share']:.2f}, {q['mean_rank']:.2f}, p {_p(q['p'])}"
            for q in found["quantities"].values()
        ]
        kl = f"{found['kl']:.2f}" if "kl" in found else ""
        lines.append(f"| {method} | {kl} | {found['entropy']:.2f} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def draw(methods: dict[str, Any], path: Path) -> None:
    """Write the picture of all histograms."""
    rows = {
        method: {
            name: np.repeat(np.arange(DRAWS + 1), q["counts"])
            for name, q in found["quantities"].items()
        }
        for method, found in methods.items()
    }
    save_png(rank_grid(rows, draws=DRAWS, stream=TESTS), path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing, write, draw and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--simulations", type=int, default=128, help="problems (default: 128)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    file = given.out / "ranks.json"
    settings = {"simulations": given.simulations, "draws": DRAWS, "updates": UPDATES, "step": STEP}
    kept = json.loads(file.read_text()) if file.exists() else {"settings": settings, "methods": {}}
    if kept["settings"] != settings:
        raise SystemExit(f"{file} was made with {kept['settings']}: take another folder")
    problems, exacts = simulations(given.simulations)
    for name in METHODS:
        if name not in kept["methods"]:
            kept["methods"][name] = run(name, problems, exacts)
            atomic_write_text(file, json.dumps(kept) + "\n")
    draw(kept["methods"], given.out / "ranks.png")
    print(table(kept["methods"]))  # noqa: T201


if __name__ == "__main__":
    main()
