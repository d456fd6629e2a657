"""On N-MNIST: the posteriors that scale to 594,432 weights, beside straight-through point weights.

The network is that of studies/rules_on_nmnist. Half of the 1,100 recordings train and a fifth of
them chooses, for every method out of as many settings: a cold tempering (point weights have none;
the gain of their readout takes its place). Step sizes are those of studies/rules_on_nmnist. Then
every method learns from both with its best setting, and at tempering 1, and is scored on the rest,
which nothing has looked at. Seconds are of the processor, not of the clock.

    python studies/posteriors/recordings.py --data-root DATA --out studies/posteriors/results

writes `recordings.jsonl` there, one line a training, goes on with what is in it, and prints the
tables. DATA holds `nmnist/`.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from bayesnn_spike.calibration import proper
from bayesnn_spike.calibration.bootstrap import paired_difference
from bayesnn_spike.calibration.ece import ece
from bayesnn_spike.events import datasets
from bayesnn_spike.events.augment import Shift
from bayesnn_spike.events.datasets import SpikeDataset
from bayesnn_spike.events.splits import Ledger, Split, stratified
from bayesnn_spike.learn import Cosine, RateCrossEntropy, Temperature, learner
from bayesnn_spike.learn.estimators import (
    Flipout,
    HardStraightThrough,
    LocalReparameterisation,
    Relaxed,
)
from bayesnn_spike.learn.fit import EpochEvent, StepEvent, fit
from bayesnn_spike.learn.initial import CoinFlip
from bayesnn_spike.learn.optimizers import Adam
from bayesnn_spike.learn.pyro_svi import PyroSvi, RelaxedStraightThrough, pyro_svi
from bayesnn_spike.learn.rules import BayesBiSNN, StraightThrough
from bayesnn_spike.models import mlp
from bayesnn_spike.posterior import Bernoulli
from bayesnn_spike.predict import Committee, Mode, predict
from bayesnn_spike.rng import Stream
from bayesnn_spike.types import Batch

POINT, PYRO = "point weights, straight-through", "Pyro, relaxed 0.5"
ESTIMATORS = {
    "Bayes-BiSNN, hard": HardStraightThrough(),
    "Bayes-BiSNN, flipout": Flipout(),
    "Bayes-BiSNN, local": LocalReparameterisation(),
    "Bayes-BiSNN, relaxed 0.5": Relaxed(0.5),
}
METHODS = (POINT, *ESTIMATORS, PYRO)
BAYES, COLD = 1.0, (0.01, 0.001)
STEP, POINT_STEP = 0.3, 0.01
GAIN, POINT_GAINS = 8.0, (4.0, 8.0)
SHARES = {"train": Fraction(1, 2), "val": Fraction(1, 5), "test": Fraction(3, 10)}
UPDATES, BATCH, DRAWS, START = 240, 32, 30, CoinFlip(2.0)


@dataclass(frozen=True)
class Setting:
    """One way to train the network.

    Attributes:
        method: of `METHODS`.
        tempering: 1 is Bayes; None for point weights.
        step: step size of Adam, with a cosine.
        gain_out: gain of the readout.
    """

    method: str
    tempering: float | None
    step: float
    gain_out: float = GAIN


def settings(method: str) -> list[Setting]:
    """Return what the choice is from: two settings for every method."""
    if method == POINT:
        return [Setting(POINT, None, POINT_STEP, gain) for gain in POINT_GAINS]
    return [Setting(method, tempering, STEP) for tempering in COLD]


def best(rows: list[dict[str, Any]], method: str) -> Setting:
    """Return the setting with the lowest NLL on the recordings that choose."""
    mine = [row for row in rows if row["phase"] == "choice" and row["method"] == method]
    row = min(mine, key=lambda row: row["nll"])
    return Setting(method, row["tempering"], row["step"], row["gain_out"])


def task_of(given: Setting, network: nn.Module, examples: int, updates: int, batch: Batch) -> Any:
    """Return the learner of a setting."""
    step, loss = Cosine(given.step, updates), RateCrossEntropy()
    if given.tempering is None:
        return learner(StraightThrough(Adam(step)), network, loss)
    temperature = Temperature(examples, tempering=given.tempering)
    adam = Adam(step, beta1=0.9, eps=1e-12)
    if given.method == PYRO:
        how = PyroSvi(temperature, RelaxedStraightThrough(0.5), adam, START)
        return pyro_svi(how, network, loss, example=batch)
    rule = BayesBiSNN(temperature, ESTIMATORS[given.method], adam, initial=START)
    return learner(rule, network, loss)


def run(
    given: Setting, data: SpikeDataset, train: Split, held: Split, *, seed: int
) -> dict[str, Any]:
    """Train one network; score its committee (or its point weights) on the split that is held."""
    network = mlp(2312, (256,), 10, feature_dims=3, gain_in=4.0, gain_out=given.gain_out)
    epochs = round(UPDATES / (len(train) // BATCH))
    updates = epochs * (len(train) // BATCH)
    task = task_of(given, network, len(train), updates, data.batch(train.indices[:BATCH]))
    # All settings see the same batches and the same shifts.
    stream, shift, losses = Stream(seed).child("posteriors", "nmnist"), Shift(1), []

    def watch(event: StepEvent | EpochEvent) -> None:
        if isinstance(event, EpochEvent):
            losses[:] = [float(info.loss) for info in event.infos]

    started = time.process_time()
    state = fit(
        task,
        task.init(stream),
        data,
        train.indices,
        epochs=epochs,
        batch_size=BATCH,
        stream=stream.child("fit"),
        augment=lambda batch, noise: Batch(shift(batch.spikes, noise), batch.labels),
        callbacks=[watch],
    )
    seconds = time.process_time() - started
    posterior = task.posterior(state)
    binary = isinstance(posterior, Bernoulli)
    test = data.batch(held.indices)
    how = Committee(DRAWS) if binary else Mode()
    answer = predict(network, posterior, test.spikes, how=how, stream=stream.child("predict"))
    scored, labels = answer.probabilities, test.labels
    row = {
        **asdict(given),
        "seed": seed,
        "updates": updates,
        "examples": len(train),
        "nll": proper.nll(scored, labels).value,
        "accuracy": proper.accuracy(scored, labels).value,
        "ece": ece(scored, labels).value,
        "member_nll": float(np.mean([proper.nll(m, labels).value for m in answer.members])),
        "train_loss": float(np.mean(losses)),
        "seconds": round(seconds, 2),
        "example_nll": [round(float(v), 4) for v in proper.example_nll(scored, labels)],
    }
    return row | (_width(posterior) if binary else {})


def _width(posterior: Bernoulli) -> dict[str, float]:
    """How sure q is of its weights: mean |logit|, entropy in nats a weight, at most log 2."""
    logits = torch.cat([v.flatten() for v in posterior.logits.values()])
    return {
        "mean_logit": float(logits.abs().mean()),
        "largest_logit": float(logits.abs().max()),
        "entropy": float(posterior.entropy()) / logits.numel(),
    }


def splits(data: SpikeDataset, *, seed: int = 0) -> dict[str, Split]:
    """Return train, val and test, and the first two together."""
    found = stratified(
        data.labels, SHARES, dataset=data.fingerprint, seed=seed, examples=data.examples()
    )
    both = [np.concatenate([getattr(found[n], a) for n in ("train", "val")])
            for a in ("indices", "examples")]  # fmt: skip
    return found | {"both": Split(data.fingerprint, "both", *both)}


def named(row: dict[str, Any]) -> str:
    """Return how a method at a tempering is called in the tables."""
    if row["tempering"] is None:
        return row["method"]
    return f"{row['method']}, tempering {row['tempering']:g}"


def table(rows: list[dict[str, Any]]) -> str:
    """Return the scores on the test recordings as markdown, mean and deviation over seeds."""
    rows = [row for row in rows if row["phase"] == "test"]
    columns = {
        "NLL": ("nll", 3),
        "NLL of a member": ("member_nll", 3),
        "accuracy (%)": ("accuracy", 1),
        "ECE": ("ece", 3),
        "mean logit": ("mean_logit", 2),
        "entropy a weight": ("entropy", 3),
        "seconds": ("seconds", 0),
    }
    lines = [
        "| posterior | step | seeds | " + " | ".join(columns) + " |",
        "| --- | ---: | ---: |" + " ---: |" * len(columns),
    ]
    for name in dict.fromkeys(named(row) for row in rows):
        mine = [row for row in rows if named(row) == name]
        cells = [_cell([row[k] for row in mine if k in row], k, d) for k, d in columns.values()]
        lines.append(f"| {name} | {mine[0]['step']:g} | {len(mine)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(values: list[float], key: str, digits: int) -> str:
    if not values:
        return ""
    factor = 100 if key == "accuracy" else 1
    mean, spread = factor * np.mean(values), factor * np.std(values, ddof=len(values) > 1)
    return f"{mean:.{digits}f}" + (f" ± {spread:.{digits}f}" if len(values) > 1 else "")


def differences(rows: list[dict[str, Any]]) -> str:
    """Return NLLs minus that of point weights, paired over recordings and seeds, as markdown."""
    losses: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        if row["phase"] == "test":
            losses.setdefault(named(row), {})[row["seed"]] = row["example_nll"]
    lines = ["| posterior | NLL minus that of point weights |", "| --- | ---: |"]
    for name, mine in losses.items():
        seeds = sorted(mine.keys() & losses[POINT].keys())
        if name != POINT and seeds:
            pair = ([some[s] for s in seeds] for some in (mine, losses[POINT]))
            found = paired_difference(*map(np.array, pair), stream=Stream(0).child(name))
            ends = f"[{found.interval.low:+.3f}, {found.interval.high:+.3f}]"
            lines.append(f"| {name} | {found.value:+.3f} {ends} |")
    return "\n".join(lines) + "\n"


def choices(rows: list[dict[str, Any]]) -> str:
    """Return the NLLs on the recordings that chose, one line a method, as markdown."""
    lines = []
    for method in METHODS:
        mine = [row for row in rows if row["phase"] == "choice" and row["method"] == method]
        what = [
            f"gain {row['gain_out']:g}" if method == POINT else f"tempering {row['tempering']:g}"
            for row in mine
        ]
        cells = [
            f"{w}, step {r['step']:g}: {r['nll']:.3f}" for w, r in zip(what, mine, strict=True)
        ]
        lines.append(f"- {method}: " + "; ".join(cells))
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run what is missing, print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", type=Path, required=True, help="folder that holds nmnist/")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--seeds", type=int, default=3, help="trainings to score (default: 3)")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    data = datasets.load("nmnist", root=asked.data_root / "nmnist", bins=10)
    parts = splits(data)
    ledger = Ledger().fitted("weights and settings", parts["both"])
    ledger.require_unused(parts["test"])
    asked.out.mkdir(parents=True, exist_ok=True)
    file = asked.out / "recordings.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    keys = ("phase", *Setting.__dataclass_fields__, "seed")
    done = {tuple(row[key] for key in keys) for row in rows}

    def add(phase: str, given: Setting, seed: int) -> None:
        if (phase, *asdict(given).values(), seed) in done:
            return
        train, held = ("train", "val") if phase == "choice" else ("both", "test")
        found = run(given, data, parts[train], parts[held], seed=seed)
        if phase == "choice":
            del found["example_nll"], found["seconds"]  # for scores only
        rows.append({"phase": phase, **found})
        with file.open("a") as sink:
            sink.write(json.dumps(rows[-1]) + "\n")

    for method in METHODS:
        for given in settings(method):
            add("choice", given, 0)
    for seed in range(asked.seeds):
        for method in METHODS:
            add("test", best(rows, method), seed)
        for method in METHODS[1:]:
            add("test", replace(best(rows, method), tempering=BAYES), seed)
    print("\n".join((choices(rows), table(rows), differences(rows))))  # noqa: T201


if __name__ == "__main__":
    main()
