"""From the kept rows to `summary.json`, tables, the page of curves and that of the mechanism.

python summarise.py --out runs --results results
python summarise.py --out runs --results results/resnet --network resnet
python summarise.py --out runs --results results/cifar10_jpeg --data cifar10-jpeg
"""

import argparse
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from claims import claims, markdown
from curves import page
from kept import Run
from mechanism_figure import mechanism_page
from reliable import calibration_page
from spiking import SURROGATES, better, unfinished

from bayesnn_spike.calibration import example_correct, example_nll, paired_difference
from bayesnn_spike.io import atomic_write_text
from bayesnn_spike.report.figures.style import save_png
from bayesnn_spike.rng import Stream
from bayesnn_spike.study.record import versions
from bayesnn_spike.study.scores import score, spread

STREAM = Stream(0).child("hybrid conversion", "summary")
DATA, SEEDS = ("mnist", "fashion-mnist"), range(10)
QUESTION = (
    "How many time steps does a converted network need, how many after training through time, and "
    "how far can each be trusted?"
)
COMMAND = "python run.py --data-root DATA --data NAME --seed SEED --out runs; python summarise.py"
PREDICT = {
    "hybrid": "softmax of the readout summed over time, as it was trained",
    "scratch": "softmax of the readout summed over time, as it was trained",
    "binary": "mean over draws of the softmax of the readout summed over time",
}
DEFINITIONS = {
    "steps": "time steps T; 0 for networks without time",
    "accuracy": "share of right top labels",
    "nll": "mean -ln p(label) in nats",
    "brier": "mean of sum over classes of (p - label)^2, range 0 to 2",
    "ece": "top label, 15 equal-width bins, left-closed, last bin closed, L1",
    "comparisons": "95 % bootstrap intervals over images and seeds, 1,000 resamples",
    "seconds": "training; for rules without one, the run over all test images up to the largest T "
    "of the rule. One thread, beside another process",
    "energy": "joules an image, 4.6 pJ a multiplication and addition, 0.9 pJ an addition (45 nm); "
    "strict: synapses, neurons and biases, products of the constant image once; paper: rate times "
    "dense multiplications, no neurons",
}
DESCALED = "softmax of the readout in units of the ANN's logits"


class Kept(NamedTuple):
    """The predictions of one rule after some steps, for all its seeds."""

    network: str
    data: str
    rule: str
    steps: int
    seeds: tuple[int, ...]
    probs: np.ndarray
    labels: np.ndarray
    seconds: list[float]
    facts: list[dict[str, Any]]


def read(out: Path, network: str, sets: Sequence[str]) -> list[Kept]:
    """Return all rows of a network, by data set, rule and steps."""
    found: dict[tuple[str, str, int], list[tuple[int, np.ndarray, dict[str, Any]]]] = {}
    labels = {}
    for data, seed in itertools.product(sets, SEEDS):
        run = Run(out, data, network, seed)
        for (rule, steps), (probs, facts) in run.rows().items():
            rule = named(run, rule)
            found.setdefault((data, rule, steps), []).append((seed, probs, facts))
            labels[data] = np.load(run.labels)
    return [
        Kept(
            network,
            data,
            rule,
            steps,
            tuple(seed for seed, _, _ in rows),
            np.stack([probs for _, probs, _ in rows]).astype(np.float64),
            labels[data],
            [facts["seconds"] for _, _, facts in rows],
            [{k: v for k, v in facts.items() if k != "seconds"} for _, _, facts in rows],
        )
        for (data, rule, steps), rows in sorted(found.items())
    ]


def named(run: Run, rule: str) -> str:
    """Return "hybrid" and "scratch" for those with the better surrogate, once that is known."""
    start, _, surrogate = rule.partition("_")
    if surrogate not in SURROGATES or unfinished(run, start):
        return rule
    return start if surrogate == better(run, start) else rule


def row(kept: Kept) -> dict[str, Any]:
    """One row of the summary."""
    how = next((said for rule, said in PREDICT.items() if kept.rule.startswith(rule)), DESCALED)
    return {
        "data": kept.data,
        "rule": kept.rule,
        "steps": kept.steps,
        "predict": "softmax" if kept.rule in ("ann", "qcfs_ann") else how,
        "network": kept.network,
        "seeds": len(kept.seeds),
        "which_seeds": list(kept.seeds),
        "accuracies": [float(example_correct(p, kept.labels).mean()) for p in kept.probs[:, None]],
        "examples": len(kept.labels),
        "metrics": score(kept.probs, kept.labels),
        "seconds": spread(kept.seconds),
        "settings": [
            {k: v for k, v in facts.items() if k not in ("losses", "held_out")}
            for facts in kept.facts
        ],
    }


def pairs(rows: list[Kept]) -> Iterator[tuple[Kept, Kept]]:
    """The comparisons that the claims need."""
    by = {(r.data, r.rule, r.steps): r for r in rows}
    for (data, rule, steps), one in by.items():
        others = []
        if rule == "hybrid":
            others += [("ann", 0), ("conversion", steps), ("conversion_tuned", steps)]
            others += [("conversion_local", steps)]
            others += [("scratch", steps), ("hybrid_stdb", steps), ("hybrid_linear", steps)]
        elif rule == "qcfs" or rule.startswith("conversion"):
            others += [("ann", 0)]
        elif rule == "binary_bayes":
            others += [("binary_straight_through", steps), ("hybrid", steps)]
        for other, t in others:
            if (data, other, t) in by:
                yield one, by[data, other, t]


def difference(one: Kept, other: Kept) -> dict[str, Any] | None:
    """Accuracy and NLL of one minus the other, with intervals over images and seeds."""
    shared = sorted(set(one.seeds) & set(other.seeds))
    if not shared:
        return None
    a = one.probs[[one.seeds.index(s) for s in shared]]
    b = other.probs[[other.seeds.index(s) for s in shared]]
    found = {}
    for name, loss in (("accuracy", example_correct), ("nll", example_nll)):
        stream = STREAM.child(one.data, one.rule, one.steps, other.rule, other.steps)
        what = paired_difference(
            loss(a, one.labels), loss(b, one.labels), stream=stream, resamples=1000
        )
        found[name] = {
            "value": what.value,
            "low": what.interval.low,
            "high": what.interval.high,
            "excludes_zero": what.excludes_zero,
        }
    return {
        "data": one.data,
        "rule": one.rule,
        "steps": one.steps,
        "minus": {"rule": other.rule, "steps": other.steps},
        "seeds": len(shared),
        "difference": found,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Accuracy, NLL and ECE by data set, rule and T, as Markdown."""
    lines = [
        "| data | rule | T | seeds | accuracy | NLL | ECE |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for r in rows:
        m = r["metrics"]
        cells = [r["data"], r["rule"], str(r["steps"] or ""), str(r["seeds"])]
        cells += [f"{_cell(m['accuracy'], 100, 2)} %", _cell(m["nll"], 1, 3), _cell(m["ece"], 1, 4)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(metric: dict[str, Any], times: float, digits: int) -> str:
    mean = f"{times * metric['mean']:.{digits}f}"
    return mean if metric["std"] is None else f"{mean} ± {times * metric['std']:.{digits}f}"


def energy_table(by_seed: Sequence[list[dict[str, Any]]]) -> str:
    """Energy by rule and T, means over seeds, as Markdown."""
    lines = [
        "| rule | T | additions | multiplications | neurons, uJ | strict, uJ | / ANN "
        "| the paper's, uJ | / ANN |",
        "| --- |" + " ---: |" * 8,
    ]
    for same in zip(*by_seed, strict=True):
        cells = [same[0]["rule"], str(same[0]["steps"])]
        cells += [f"{np.mean([r['strict'][k] for r in same]) / 1e6:.2f} M" for k in ("acs", "macs")]
        cells.append(f"{1e6 * np.mean([r['strict']['neuron_joules'] for r in same]):.1f}")
        for accounting in ("strict", "paper"):
            cells.append(f"{1e6 * np.mean([r[accounting]['joules'] for r in same]):.1f}")
            cells.append(f"{np.mean([r[accounting]['ratio'] for r in same]):.2f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def extras(out: Path, network: str, sets: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what runs kept beside their rows: by kind, then by data set (and seed)."""
    kinds = ("energy", "mechanism", "choices", "binary_choices")
    found: dict[str, dict[str, Any]] = {kind: {} for kind in kinds}
    for data, seed in itertools.product(sets, SEEDS):
        run = Run(out, data, network, seed)
        for kind in ("energy", "mechanism"):
            path = run.folder / f"{kind}.json"
            if path.exists():
                found[kind].setdefault(data, {})[str(seed)] = json.loads(path.read_text())
        for kind, path in (("choices", run.choice), ("binary_choices", run.binary_choice)):
            if path.exists():
                found[kind][data] = json.loads(path.read_text())
    return {kind: by for kind, by in found.items() if by}


def main() -> None:
    """Read the rows, write summary, tables and pages."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--results", type=Path, required=True, help="where the summary goes")
    parser.add_argument("--network", choices=("vgg", "resnet"), default="vgg")
    parser.add_argument("--data", nargs="+", default=DATA, help="data sets (default: both)")
    args = parser.parse_args()
    rows = read(args.out, args.network, args.data)
    if not rows:
        raise SystemExit(f"{args.out} has no rows of {args.network}: run run.py first")
    made = [row(kept) for kept in rows]
    compared = [difference(one, other) for one, other in pairs(rows)]
    asked = claims(made)
    beside = extras(args.out, args.network, args.data)
    summary = {
        "study": "hybrid_conversion",
        "question": QUESTION,
        "command": COMMAND,
        "network": args.network,
        "versions": versions(),
        "rows": made,
        "comparisons": [entry for entry in compared if entry is not None],
        "claims": [claim._asdict() for claim in asked],
        **beside,
        "definitions": DEFINITIONS,
    }
    args.results.mkdir(parents=True, exist_ok=True)
    atomic_write_text(args.results / "summary.json", json.dumps(summary, indent=1) + "\n")
    atomic_write_text(args.results / "table.md", table(made))
    save_png(page(made), args.results / "curves.png")
    for data in sorted({kept.data for kept in rows}):
        own = [kept for kept in rows if kept.data == data]
        save_png(calibration_page(own), args.results / f"calibration_{data}.png")
    if asked:
        atomic_write_text(args.results / "claims.md", markdown(asked))
    for data, by_seed in beside.get("energy", {}).items():
        text = energy_table(list(by_seed.values()))
        atomic_write_text(args.results / f"energy_{data}.md", text)
    for data, by_seed in beside.get("mechanism", {}).items():
        save_png(mechanism_page(by_seed["0"]), args.results / f"mechanism_{data}.png")


if __name__ == "__main__":
    main()
