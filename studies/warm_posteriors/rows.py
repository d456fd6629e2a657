"""The kept trainings, and what is computed from them: means, intervals, mixtures."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

Row = dict


def read(path: Path) -> list[Row]:
    """Return the rows scored on test folds; the first ones had neither seeds nor hyper costs."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows = [{"seed": 0, "hyper": 0.0, "scored": "test"} | row for row in rows]
    return [row for row in rows if row["scored"] == "test"]


def pick(
    rows: Iterable[Row],
    variant: str,
    tempering: float,
    *,
    folds: Sequence[int] = (0,),
    seeds: Sequence[int] = (0,),
) -> list[Row]:
    """Return the rows of a variant at a tempering that are there, by fold and seed."""
    found = {
        (r["fold"], r["seed"]): r
        for r in rows
        if r["variant"] == variant and r["tempering"] == tempering
    }
    return [found[f, s] for f in folds for s in seeds if (f, s) in found]


def free_energy(row: Row) -> float:
    """Nats a training recording at tempering 1: mean loss, weights and their prior's numbers."""
    return row["train_loss"] + (row["kl"] + row["hyper"]) / row["examples"]


def mixture(rows: Sequence[Row]) -> np.ndarray:
    """NLL of each recording under the committee of all members of several trainings, one fold."""
    return -np.log(np.mean([np.exp(-np.array(r["example_nll"])) for r in rows], axis=0))


def paired(
    one: Sequence[Row], other: Sequence[Row], draws: int = 10_000
) -> tuple[float, float, float]:
    """Mean of `other` minus `one` over recordings, and its 95 % bootstrap interval."""
    difference = np.concatenate([r["example_nll"] for r in other]) - np.concatenate(
        [r["example_nll"] for r in one]
    )
    noise = np.random.default_rng(0)
    places = noise.integers(len(difference), size=(draws, len(difference)))
    low, high = np.quantile(difference[places].mean(1), (0.025, 0.975))
    return float(difference.mean()), float(low), float(high)
