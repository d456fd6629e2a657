"""Does a mean field at the Bayes temperature fail because it is a mean field?

The data are those of `problem.py`; the network that learns them has more and more hidden units. At
tempering 1 chains draw from the true posterior, whatever its correlations; a mean field has to pay
for every weight by itself, and is learned by a gradient that is biased or one that is not.

    python studies/posteriors/widths.py --seeds 5 --out studies/posteriors/results

writes `widths.json` there, goes on with what is in it, and prints the table of NLLs.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from problem import CLASSES, INPUTS, problem

from bayesnn_spike.calibration import proper
from bayesnn_spike.io import atomic_write_text
from bayesnn_spike.learn import Cosine, RateCrossEntropy, Temperature, learner, mcmc
from bayesnn_spike.learn.estimators import DisArm, HardStraightThrough
from bayesnn_spike.learn.optimizers import Adam
from bayesnn_spike.learn.rules import BayesBiSNN
from bayesnn_spike.learn.target import Target
from bayesnn_spike.models import mlp
from bayesnn_spike.posterior import AbstractPosterior, Bernoulli
from bayesnn_spike.posterior.flat import shapes_of
from bayesnn_spike.predict import Committee, predict
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch

WIDTHS = {3: 5, 10: 5, 30: 5, 100: 1}
"""Hidden units, and on how many problems at most."""
ESTIMATORS = {"straight-through": HardStraightThrough(8), "unbiased": DisArm(64)}
METHODS = [
    *(("straight-through", tempering) for tempering in (1.0, 0.3, 0.1, 0.03)),
    *(("unbiased", tempering) for tempering in (1.0, 0.1)),
    ("chains", 1.0),
]
UPDATES, COMMITTEE, CHAINS = 1000, 500, 8
SWEEPS = {3: (50, 100), 10: (50, 100), 30: (50, 100), 100: (20, 40)}
"""Of every chain, thrown away and kept, by hidden units: 500 weights take long to go through."""


def run(seed: int, width: int, method: str, tempering: float) -> dict[str, Any]:
    """Learn one problem with one width in one way."""
    data = problem(seed, lean=0.0)
    network = mlp(INPUTS, (width,), CLASSES, gain_in=2.0, gain_out=6.0)
    temperature = Temperature(len(data.train.labels), tempering=tempering)
    stream = Stream(seed).child(method, width, round(1000 * tempering))
    started = time.perf_counter()
    posterior: AbstractPosterior
    members = COMMITTEE
    if method == "chains":
        target = Target(network, RateCrossEntropy(), data.train, temperature, draws_at_once=64)
        burn_in, draws = SWEEPS[width]
        found = mcmc.run_chains(
            mcmc.Gibbs(), target, chains=CHAINS, draws=draws, burn_in=burn_in, stream=stream
        )
        # All that is kept: a part could miss a chain.
        posterior, members = found.posterior(), CHAINS * draws
    else:
        posterior = _mean_field(network, temperature, data.train, ESTIMATORS[method], stream)
    seconds = time.perf_counter() - started
    how, noise = Committee(members), Stream(seed).child("committee")
    answer = predict(network, posterior, data.test.spikes, how=how, stream=noise)
    row = {
        "seed": seed,
        "width": width,
        "weights": sum(p.numel() for p in network.parameters()),
        "method": method,
        "tempering": tempering,
        "nll": _nll(answer.probabilities, data.test),
        "member_nll": float(np.mean([_nll(m, data.test) for m in answer.members[:50]])),
        "train_nll": _train_nll(network, posterior, data.train, seed),
        "seconds": seconds,
    }
    if isinstance(posterior, Bernoulli):
        coins = Bernoulli({n: torch.zeros(s) for n, s in shapes_of(posterior.logits).items()})
        row["kl"] = float(posterior.kl(coins))
        row["free_energy"] = row["train_nll"] + temperature.rho * row["kl"]
    return row


def _mean_field(
    network: torch.nn.Module,
    temperature: Temperature,
    batch: Batch,
    estimator: Any,
    stream: Stream,
) -> Bernoulli:
    optimizer = Adam(Cosine(0.1, UPDATES), beta1=0.9, eps=1e-12)
    rule = BayesBiSNN(temperature, estimator, optimizer, limit=None)
    task = learner(rule, network, RateCrossEntropy())
    state = task.init(stream)
    for _ in range(UPDATES):
        state, _ = task.update(state, batch)
    return task.posterior(state)


def _nll(probabilities: torch.Tensor, batch: Batch) -> float:
    return proper.nll(probabilities, batch.labels).value


def _train_nll(
    network: torch.nn.Module, posterior: AbstractPosterior, batch: Batch, seed: int
) -> float:
    """Mean loss of single members on the data they were learned from: E_q L."""
    stream = Stream(seed).child("train")
    answer = predict(network, posterior, batch.spikes, how=Committee(100), stream=stream)
    return float(np.mean([_nll(m, batch) for m in answer.members]))


def table(rows: list[dict[str, Any]]) -> str:
    """Return NLLs by width and method as markdown, mean and standard deviation over seeds."""
    methods = [m for m in METHODS if any((r["method"], r["tempering"]) == m for r in rows)]
    names = [f"{method}, tempering {tempering:g}" for method, tempering in methods]
    lines = ["| weights | " + " | ".join(names) + " |", "| ---: |" + " ---: |" * len(names)]
    for weights in sorted({row["weights"] for row in rows}):
        cells = []
        for method in methods:
            values = [
                row["nll"]
                for row in rows
                if (row["weights"], row["method"], row["tempering"]) == (weights, *method)
            ]
            spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
            cells.append(f"{np.mean(values):.3f}{spread}" if values else "")
        lines.append(f"| {weights} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run, write and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="problems (default: 5)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    file = given.out / "widths.json"
    rows = json.loads(file.read_text())["rows"] if file.exists() else []
    done = {(r["width"], r["seed"], r["method"], r["tempering"]) for r in rows}
    for width, problems in WIDTHS.items():
        for seed in range(min(given.seeds, problems)):
            for method, tempering in METHODS:
                if (width, seed, method, tempering) not in done:
                    rows.append(run(seed, width, method, tempering))
                    atomic_write_text(file, json.dumps({"rows": rows}, indent=1) + "\n")
        print(f"width {width}", flush=True)  # noqa: T201
    print(table(rows))  # noqa: T201


if __name__ == "__main__":
    main()
