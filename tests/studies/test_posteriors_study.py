"""studies/posteriors: many problems at once are single problems, its tables, its kept results."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bayesnn_spike.learn import RateCrossEntropy, mcmc
from bayesnn_spike.learn.credit import Credit, Draw, credit
from bayesnn_spike.learn.estimators import Flipout, HardStraightThrough, LocalReparameterisation
from bayesnn_spike.learn.estimators import Score as ScoreEstimator
from bayesnn_spike.learn.pyro_svi import RelaxedStraightThrough
from bayesnn_spike.posterior.flat import flatten
from bayesnn_spike.rng import Stream

FOLDER = Path(__file__).resolve().parents[2] / "studies" / "posteriors"
sys.path.insert(0, str(FOLDER))
try:
    problem, together, ranks, recordings, compare, widths = (
        importlib.import_module(name)
        for name in ("problem", "side_by_side", "ranks", "recordings", "compare", "widths")
    )
finally:
    sys.path.remove(str(FOLDER))

PROBLEMS = [problem.problem(seed, hidden=2, examples=5) for seed in range(3)]
TOGETHER = together.Together(PROBLEMS[0].network, 3)
JOINED = together._joined(PROBLEMS)
SHAPES = {"input_weight": (3, 2, 3), "readout_weight": (3, 2, 2)}
LOGITS = {n: torch.randn(s, generator=Stream(1).child(n).generator()) for n, s in SHAPES.items()}


def of_one(weights, s: int):
    """Leaves `[K, S, *shape]` of problem s, by the network's own names."""
    return {own: weights[ours][:, s].detach().requires_grad_()
            for own, ours in TOGETHER.names.items()}  # fmt: skip


def test_many_problems_at_once_have_the_losses_and_gradients_of_each() -> None:
    draw = HardStraightThrough(4).draw(LOGITS, Stream(2))
    found, _ = credit(TOGETHER, together.Losses(3), draw, *JOINED)
    total, _ = credit(TOGETHER, together.Losses(3, summed=True), draw, *JOINED)
    torch.testing.assert_close(total.losses, found.losses.view(4, 3).sum(1))
    for s, given in enumerate(PROBLEMS):
        weights = of_one(draw.weights, s)
        wanted, _ = credit(
            given.network, RateCrossEntropy(), Draw(weights, weights), *given.train
        )  # fmt: skip
        torch.testing.assert_close(found.losses.view(4, 3)[:, s], wanted.losses)
        for own, ours in TOGETHER.names.items():
            torch.testing.assert_close(found.grads[ours][:, s], wanted.grads[own])
            torch.testing.assert_close(total.grads[ours][:, s], wanted.grads[own])


def test_every_problem_has_a_score_of_its_own() -> None:
    inner = ScoreEstimator(6)
    each = together.ScoreOfEach(inner, 3)
    draw = each.draw(LOGITS, Stream(3))
    losses = torch.rand(18, generator=Stream(4).generator())
    found = each.gradient(LOGITS, draw, Credit(losses, {}))
    for s in range(3):
        own = {n: v[s] for n, v in LOGITS.items()}
        signs = {n: v[:, s] for n, v in draw.weights.items()}
        wanted = inner.gradient(own, Draw(signs, {}), Credit(losses.view(6, 3)[:, s], {}))
        for name, value in wanted.items():
            torch.testing.assert_close(found[name][s], value)


@pytest.mark.parametrize(
    ("train", "how", "updates"),
    [
        (together.train_bayes, Flipout(2), 100),
        (together.train_bayes, LocalReparameterisation(2), 100),
        (together.train_bayes, ScoreEstimator(4), 100),
        # Plain gradients in the logits are small where a weight is sure.
        (together.train_pyro, RelaxedStraightThrough(0.5, 2), 300),
    ],
    ids=["flipout", "local", "score", "Pyro"],
)
def test_without_data_worth_a_nat_they_all_end_at_the_prior(train, how, updates) -> None:
    """A temperature of 10^4: the KL alone is left."""
    hot = [
        problem.Problem(p.network, p.prior, p.truth, p.train, p.test,
                        hotter(p)) for p in PROBLEMS
    ]  # fmt: skip
    found = train(hot, how, Stream(5), updates=updates, step=0.2)
    for given, posterior in zip(hot, found, strict=True):
        assert list(posterior.logits) == list(given.prior.logits)
        for name, logits in posterior.logits.items():
            torch.testing.assert_close(logits, given.prior.logits[name], atol=0.02, rtol=0)


def hotter(given):
    return type(given.temperature)(given.temperature.examples, tempering=1e4)


def test_a_committee_of_chains_has_every_chain_and_its_whole_length() -> None:
    given, kernel, stream = PROBLEMS[0], mcmc.SingleFlip(), Stream(6)
    found = compare.chains(kernel, steps=500, burn_in=5)(given, stream)
    every = mcmc.run_chains(
        kernel, given.target(), chains=compare.CHAINS, draws=500, burn_in=5, stream=stream
    )
    wanted = every.signs[:, 1::2].transpose(0, 1).flatten(0, 1).float()
    assert len(wanted) == compare.COMMITTEE
    torch.testing.assert_close(flatten(found.sample(compare.COMMITTEE, Stream(0))), wanted)


def test_the_readme_has_the_tables_of_the_kept_results() -> None:
    readme, kept = (FOLDER / "README.md").read_text(), FOLDER / "results"
    rows = json.loads((kept / "summary.json").read_text())["rows"]
    for prior in compare.PRIORS:
        assert compare.table([row for row in rows if row["prior"] == prior]) in readme
    assert widths.table(json.loads((kept / "widths.json").read_text())["rows"]) in readme
    assert ranks.table(json.loads((kept / "ranks.json").read_text())["methods"]) in readme
    rows = [json.loads(line) for line in (kept / "recordings.jsonl").read_text().splitlines()]
    for part in (recordings.table, recordings.differences, recordings.choices):
        assert part(rows) in readme


def test_ranks_are_counted_and_told_apart() -> None:
    even = np.arange(320) % 32
    found = ranks.summary("q", "even", even)
    assert found["counts"] == [10] * 32
    assert (found["outer_share"], found["mean_rank"]) == (0.25, 0.5)
    assert found["p"] > 0.5
    narrow = ranks.summary("q", "narrow", np.repeat([0, 31], 160))
    assert (narrow["outer_share"], narrow["mean_rank"]) == (1.0, 0.5)
    assert narrow["p"] < 0.001
    line = ranks.table({"q": {"kl": 1.0, "entropy": 2.0, "quantities": {"a": narrow}}})
    assert line.splitlines()[-1] == "| q | 1.00 | 2.00 | 1.00, 0.50, p < 0.001 |"


def test_kept_ranks_pass_the_exact_posterior_and_no_other() -> None:
    kept = json.loads((FOLDER / "results" / "ranks.json").read_text())
    assert list(kept["methods"]) == list(ranks.METHODS)
    for name, method in kept["methods"].items():
        assert all(sum(q["counts"]) == kept["settings"]["simulations"]
                   for q in method["quantities"].values())  # fmt: skip
        least = min(q["p"] for q in method["quantities"].values()) * len(method["quantities"])
        assert (least > 0.05) is (name == "exact"), name


def rows_of_recordings():
    shared = {"step": 0.1, "seed": 0, "updates": 2, "accuracy": 0.5, "ece": 0.1, "seconds": 1.0}
    settings = [(recordings.POINT, None, [0.5, 1.5]), (recordings.PYRO, 0.01, [0.25, 1.25])]
    for method, tempering, losses in settings:
        row = shared | {"method": method, "tempering": tempering, "gain_out": 8.0}
        row |= {"nll": float(np.mean(losses)), "member_nll": 2.0}
        yield row | {"phase": "choice"}
        yield row | {"phase": "choice", "step": 0.3, "nll": 9.0}
        yield row | {"phase": "test", "example_nll": losses}


def test_the_tables_of_recordings_have_the_best_and_the_pairs() -> None:
    rows = list(rows_of_recordings())
    assert recordings.best(rows, recordings.PYRO) == recordings.Setting(
        recordings.PYRO, 0.01, 0.1
    )  # fmt: skip
    lines = recordings.table(rows).splitlines()
    assert lines[2].startswith(f"| {recordings.POINT} | 0.1 | 1 | 1.000 | 2.000 | 50.0 |")
    assert lines[3].startswith("| Pyro, relaxed 0.5, tempering 0.01 | 0.1 | 1 | 0.750 |")
    assert recordings.differences(rows).splitlines()[-1].endswith("| -0.250 [-0.250, -0.250] |")
    assert "tempering 0.01, step 0.3: 9.000" in recordings.choices(rows)


def test_every_method_chooses_from_as_many_settings() -> None:
    assert {len(recordings.settings(m)) for m in recordings.METHODS} == {2}
