"""Every way to a posterior on the same small problems, against the exact one.

    python studies/posteriors/compare.py --seeds 4 --out studies/posteriors/results

writes `summary.json` there, goes on with what is in it, and prints the tables.
"""

import argparse
import json
import time
from collections.abc import Callable, Collection
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

STEPS, COMMITTEE, CHAINS = 1000, 2000, 8
PRIORS = {"leaning": LEAN, "fair coins": 0.0}
Method = Callable[[Problem, Stream], AbstractPosterior]


def bayes(estimator: Any, *, steps: int = STEPS, step: float = 0.1) -> Method:
    """Bayes-BiSNN with an estimator: all the data in every update, Bayes temperature."""

    def run(given: Problem, stream: Stream) -> AbstractPosterior:
        optimizer = Adam(Cosine(step, steps), beta1=0.9, eps=1e-12)
        rule = BayesBiSNN(given.temperature, estimator, optimizer, limit=None)
        task = learner(rule, given.network, RateCrossEntropy())
        state = task.init(stream)
        state = state._replace(rule=state.rule._replace(prior=given.prior.logits))
        return _train(task, state, given, steps)

    return run


def pyro(elbo: Any, *, steps: int = STEPS, step: float = 0.1) -> Method:
    """Pyro's variational inference with as many updates."""

    def run(given: Problem, stream: Stream) -> AbstractPosterior:
        how = PyroSvi(given.temperature, elbo, Adam(Cosine(step, steps), beta1=0.9, eps=1e-12))
        task = pyro_svi(
            how, given.network, RateCrossEntropy(), example=given.train, prior=given.prior
        )
        return _train(task, task.init(stream), given, steps)

    return run


def chains(kernel: Any, *, steps: int, burn_in: int) -> Method:
    """Eight chains from the prior, run for `burn_in` steps and then `steps`.

    Every so many steps all chains are kept, so that what is kept is the committee, to the last: a
    part of it could be a part of the chains.
    """
    draws = COMMITTEE // CHAINS
    thin = steps // draws

    def run(given: Problem, stream: Stream) -> AbstractPosterior:
        found = mcmc.run_chains(
            kernel,
            given.target(),
            chains=CHAINS,
            draws=draws,
            thin=thin,
            burn_in=burn_in,
            stream=stream,
        )
        return found.posterior()

    return run


def _train(task: Any, state: Any, given: Problem, steps: int) -> AbstractPosterior:
    for _ in range(steps):
        state, _ = task.update(state, given.train)
    return task.posterior(state)


METHODS: dict[str, Method] = {
    "Gibbs, 8 chains": chains(mcmc.Gibbs(), steps=500, burn_in=100),
    "Gibbs with gradients, 8 chains": chains(mcmc.GibbsWithGradients(), steps=2000, burn_in=500),
    "Gibbs, tempered, 8 chains": chains(
        mcmc.Tempered(mcmc.Gibbs(), (1.0, 0.5, 0.2, 0.0)), steps=500, burn_in=100
    ),
    "Bayes-BiSNN, hard": bayes(HardStraightThrough(8)),
    "Bayes-BiSNN, flipout": bayes(Flipout(8)),
    "Bayes-BiSNN, relaxed 0.5": bayes(Relaxed(0.5, 8)),
    "Bayes-BiSNN, local": bayes(LocalReparameterisation(8)),
    "Bayes-BiSNN, score": bayes(Score(64)),
    "Pyro, relaxed 0.5": pyro(RelaxedStraightThrough(0.5, 8)),
    "Pyro, TraceGraph": pyro(TraceGraph(64)),
}
EXACT, BEST, TRUTH = "exact", "best mean field", "truth"
ROWS = (EXACT, BEST, *METHODS, TRUTH)


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


def run_seed(seed: int, prior: str, names: Collection[str] = ROWS) -> list[dict[str, Any]]:
    """Return these rows of one problem."""
    given = problem(seed, lean=PRIORS[prior])
    started = time.perf_counter()
    exact, log_evidence = enumerate_posterior(given.target(draws_at_once=4096))
    seconds = time.perf_counter() - started
    right = _answer(given, exact, seed)
    rows = []
    for name in names:
        row = {"seed": seed, "prior": prior, "method": name}
        rows.append(row)
        if name == TRUTH:
            row |= _scores(_answer(given, _Truth(given), seed), given)
            continue
        started = time.perf_counter()
        posterior = exact if name == EXACT else _find(name, given, exact, seed)
        row["seconds"] = seconds if name == EXACT else time.perf_counter() - started
        answer = _answer(given, posterior, seed)
        row |= {"log_evidence": log_evidence, **_distances(exact, posterior)}
        row |= {**_scores(answer, given), "tv_predictive": _total_variation(answer, right)}
    return rows


def _find(name: str, given: Problem, exact: Exact, seed: int) -> AbstractPosterior:
    if name == BEST:
        return mean_field(exact, Stream(seed).child("mean field"))
    return METHODS[name](given, Stream(seed).child(name))


class _Truth:
    """The network that the labels come from, for `predict`."""

    def __init__(self, given: Problem) -> None:
        self._weights = given.truth

    def mode(self) -> dict[str, torch.Tensor]:
        return self._weights


def _answer(given: Problem, posterior: Any, seed: int) -> torch.Tensor:
    stream = Stream(seed).child("committee")
    how = Mode() if isinstance(posterior, _Truth) else Committee(COMMITTEE)
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
    for name in ROWS:
        mine = [row for row in rows if row["method"] == name]
        if not mine:
            continue
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
    """Run what is missing, write and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=4, help="problems (default: 4)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    file = given.out / "summary.json"
    rows = json.loads(file.read_text())["rows"] if file.exists() else []
    done = {(row["seed"], row["prior"], row["method"]) for row in rows}
    for seed in range(given.seeds):
        for prior in PRIORS:
            missing = [name for name in ROWS if (seed, prior, name) not in done]
            rows += run_seed(seed, prior, missing) if missing else []
            atomic_write_text(file, json.dumps({"rows": rows}, indent=1) + "\n")
            print(f"seed {seed}, prior: {prior}", flush=True)  # noqa: T201
    for prior in PRIORS:
        mine = [row for row in rows if row["prior"] == prior]
        print(f"\nPrior: {prior}\n\n{table(mine)}")  # noqa: T201


if __name__ == "__main__":
    main()
