"""Every way to a posterior on the same small problems, against the exact one.

    python studies/posteriors/compare.py --seeds 5 --out studies/posteriors/results

writes `summary.json` there and prints the tables.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from problem import LEAN, Problem, problem
from torch.nn.functional import logsigmoid

from bayesnn_spike.calibration import proper
from bayesnn_spike.calibration.ece import ece
from bayesnn_spike.io import atomic_write_text
from bayesnn_spike.learn import Cosine, RateCrossEntropy, learner, mcmc
from bayesnn_spike.learn.enumerate import enumerate_posterior
from bayesnn_spike.learn.estimators import (
    Flipout,
    HardStraightThrough,
    LocalReparameterisation,
    Relaxed,
    Score,
)
from bayesnn_spike.learn.optimizers import Adam
from bayesnn_spike.learn.pyro_svi import (
    PyroSvi,
    RelaxedStraightThrough,
    TraceGraph,
    pyro_svi,
)
from bayesnn_spike.learn.rules import BayesBiSNN
from bayesnn_spike.posterior import AbstractPosterior, Bernoulli
from bayesnn_spike.posterior.exact import Exact
from bayesnn_spike.posterior.flat import flatten, unflatten
from bayesnn_spike.posterior.table import log_products
from bayesnn_spike.predict import Committee, Mode, predict
from bayesnn_spike.rng import Stream

STEPS, COMMITTEE = 1000, 2000
PRIORS = {"leaning": LEAN, "fair coins": 0.0}
Method = Callable[[Problem, Stream], AbstractPosterior]


def bayes(estimator: Any) -> Method:
    """Bayes-BiSNN with an estimator: all the data in every update, Bayes temperature."""

    def run(given: Problem, stream: Stream) -> AbstractPosterior:
        optimizer = Adam(Cosine(0.1, STEPS), beta1=0.9, eps=1e-12)
        rule = BayesBiSNN(given.temperature, estimator, optimizer, limit=None)
        task = learner(rule, given.network, RateCrossEntropy())
        state = task.init(stream)
        state = state._replace(rule=state.rule._replace(prior=given.prior.logits))
        return _train(task, state, given)

    return run


def pyro(elbo: Any) -> Method:
    """Pyro's variational inference with as many updates."""

    def run(given: Problem, stream: Stream) -> AbstractPosterior:
        how = PyroSvi(given.temperature, elbo, Adam(Cosine(0.1, STEPS), beta1=0.9, eps=1e-12))
        task = pyro_svi(
            how, given.network, RateCrossEntropy(), example=given.train, prior=given.prior
        )
        return _train(task, task.init(stream), given)

    return run


def chains(kernel: Any, *, draws: int, burn_in: int) -> Method:
    """Eight chains from the prior."""

    def run(given: Problem, stream: Stream) -> AbstractPosterior:
        found = mcmc.run_chains(
            kernel, given.target(), chains=8, draws=draws, burn_in=burn_in, stream=stream
        )
        return found.posterior()

    return run


def _train(task: Any, state: Any, given: Problem) -> AbstractPosterior:
    for _ in range(STEPS):
        state, _ = task.update(state, given.train)
    return task.posterior(state)


METHODS: dict[str, Method] = {
    "Gibbs, 8 chains": chains(mcmc.Gibbs(), draws=500, burn_in=100),
    "Gibbs with gradients, 8 chains": chains(mcmc.GibbsWithGradients(), draws=2000, burn_in=500),
    "Gibbs, tempered, 8 chains": chains(
        mcmc.Tempered(mcmc.Gibbs(), (1.0, 0.5, 0.2, 0.0)), draws=500, burn_in=100
    ),
    "Bayes-BiSNN, hard": bayes(HardStraightThrough(8)),
    "Bayes-BiSNN, flipout": bayes(Flipout(8)),
    "Bayes-BiSNN, relaxed 0.5": bayes(Relaxed(0.5, 8)),
    "Bayes-BiSNN, local": bayes(LocalReparameterisation(8)),
    "Bayes-BiSNN, score": bayes(Score(64)),
    "Pyro, relaxed 0.5": pyro(RelaxedStraightThrough(0.5, 8)),
    "Pyro, TraceGraph": pyro(TraceGraph(64)),
}


def mean_field(exact: Exact, stream: Stream, *, starts: int = 10, sweeps: int = 60) -> Bernoulli:
    """The best mean field: coordinate ascent on the table of all masses, from many starts.

    lambda_i = E over the others of (log p(w_i = +1, .) - log p(w_i = -1, .)) / 2
    """
    log_mass, d = exact.log_mass, len(flatten(exact.mean())[0])
    signs = 2.0 * (torch.arange(2**d)[:, None] >> torch.arange(d) & 1).double() - 1
    noise, found = stream.generator(), []
    for _ in range(starts):
        logits = torch.randn(d, generator=noise, dtype=torch.float64)
        for _ in range(sweeps):
            before = logits.clone()
            for i in range(d):
                # All factors but that of weight i, for both of its values.
                others = log_products(logits) - logsigmoid(2 * signs[:, i] * logits[i])
                logits[i] = (others.exp() * log_mass) @ signs[:, i] / 2
            if (logits - before).abs().max() < 1e-6:
                break
        found.append(Bernoulli(_leaves(logits, exact)))
    return min(found, key=exact.kl_from)


def _leaves(logits: torch.Tensor, exact: Exact) -> dict[str, torch.Tensor]:
    return {n: v[0].float() for n, v in unflatten(logits[None], exact.shapes).items()}


def run_seed(seed: int, prior: str) -> list[dict[str, Any]]:
    """Run all methods on one problem."""
    given = problem(seed, lean=PRIORS[prior])
    started = time.perf_counter()
    exact, log_evidence = enumerate_posterior(given.target(draws_at_once=4096))
    seconds = {"exact": time.perf_counter() - started}
    found: dict[str, AbstractPosterior] = {"exact": exact}
    started = time.perf_counter()
    found["best mean field"] = mean_field(exact, Stream(seed).child("mean field"))
    seconds["best mean field"] = time.perf_counter() - started
    for name, method in METHODS.items():
        started = time.perf_counter()
        found[name] = method(given, Stream(seed).child(name))
        seconds[name] = time.perf_counter() - started
    answers = {name: _answer(given, posterior, seed) for name, posterior in found.items()}
    rows = []
    for name, posterior in found.items():
        rows.append(
            {
                "seed": seed,
                "prior": prior,
                "method": name,
                "seconds": seconds[name],
                "log_evidence": log_evidence,
                **_distances(exact, posterior),
                **_scores(answers[name], given),
                "tv_predictive": _total_variation(answers[name], answers["exact"]),
            }
        )
    truth = predict(given.network, _Truth(given), given.test.spikes, how=Mode(), stream=Stream(0))
    known = {"seed": seed, "prior": prior, "method": "truth"}
    rows.append({**known, **_scores(truth.probabilities, given)})
    return rows


class _Truth:
    """The network that the labels come from, for `predict`."""

    def __init__(self, given: Problem) -> None:
        self._weights = given.truth

    def mode(self) -> dict[str, torch.Tensor]:
        return self._weights


def _answer(given: Problem, posterior: AbstractPosterior, seed: int) -> torch.Tensor:
    stream = Stream(seed).child("committee")
    how = Committee(COMMITTEE)
    spikes = given.test.spikes
    return predict(given.network, posterior, spikes, how=how, stream=stream).probabilities


def _distances(exact: Exact, posterior: AbstractPosterior) -> dict[str, float]:
    """Mean total variation of the marginals, and for mean-field ones KL(q || exact)."""
    right = flatten(exact.mean())
    marginals = float((flatten(posterior.mean()) - right).abs().mean()) / 2
    if isinstance(posterior, Bernoulli):
        return {"tv_marginals": marginals, "kl_from": float(exact.kl_from(posterior))}
    return {"tv_marginals": marginals}


def _scores(probabilities: torch.Tensor, given: Problem) -> dict[str, float]:
    labels = given.test.labels
    return {
        "nll": proper.nll(probabilities, labels).value,
        "accuracy": proper.accuracy(probabilities, labels).value,
        "ece": ece(probabilities, labels).value,
    }


def _total_variation(one: torch.Tensor, two: torch.Tensor) -> float:
    return float((one - two).abs().sum(-1).mean()) / 2


def table(rows: list[dict[str, Any]]) -> str:
    """Return means and standard deviations over seeds as markdown."""
    keys = ("tv_marginals", "kl_from", "tv_predictive", "nll", "ece", "seconds")
    lines = [
        "| method | TV of marginals | KL(q, exact) | TV of predictions | NLL | ECE | seconds |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in dict.fromkeys(row["method"] for row in rows):
        mine = [row for row in rows if row["method"] == name]
        cells = []
        for key in keys:
            values = [row[key] for row in mine if key in row]
            digits = 1 if key == "seconds" else 3
            cells.append(_cell(values, digits))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(values: list[float], digits: int) -> str:
    if not values:
        return ""
    mean = f"{np.mean(values):.{digits}f}"
    return f"{mean} ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else mean


def main() -> None:
    """Run, write and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="problems (default: 5)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for seed in range(given.seeds):
        for prior in PRIORS:
            rows += run_seed(seed, prior)
            text = json.dumps({"rows": rows}, indent=1)
            atomic_write_text(given.out / "summary.json", text + "\n")
            print(f"seed {seed}, prior: {prior}", flush=True)  # noqa: T201
    for prior in PRIORS:
        mine = [row for row in rows if row["prior"] == prior]
        print(f"\nPrior: {prior}\n\n{table(mine)}")  # noqa: T201


if __name__ == "__main__":
    main()
