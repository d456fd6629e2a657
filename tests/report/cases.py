"""A small study's output, as `study run` leaves it."""

import json
from pathlib import Path

import numpy as np

from tests.calibration.cases import random_case


def entry(values):
    """Return one metric of a summary."""
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "std": std, "values": list(values)}


def row(data, rule, predict="mode", *, accuracy, nll=(0.4, 0.41, 0.39), examples=60):
    """Return one row of a summary."""
    return {
        "data": data,
        "rule": rule,
        "predict": predict,
        "seeds": len(accuracy),
        "examples": examples,
        "metrics": {
            "accuracy": entry(accuracy),
            "nll": entry(nll[: len(accuracy)]),
            "brier": entry([0.2] * len(accuracy)),
            "ece": entry([0.03] * len(accuracy)),
        },
        "seconds": entry([7.25] * len(accuracy)),
    }


COMPARISON = {
    "data": "nmnist",
    "rule": "bayes_bisnn",
    "predict": "committee",
    "minus": {"rule": "straight_through", "predict": "mode"},
    "seeds": 3,
    "difference": {
        "accuracy": {"value": 0.015, "low": -0.001, "high": 0.03, "excludes_zero": False},
        "nll": {"value": -0.031, "low": -0.048, "high": -0.014, "excludes_zero": True},
        "brier": {"value": -0.02, "low": -0.03, "high": -0.01, "excludes_zero": True},
        "ece": {"value": -0.006, "low": -0.014, "high": 0.003, "excludes_zero": False},
    },
}


def summary():
    rows = [
        row("nmnist", "straight_through", accuracy=(0.87, 0.88, 0.875)),
        row("nmnist", "bayes_bisnn", "committee", accuracy=(0.89, 0.89, 0.88)),
    ]
    return {
        "study": "toy_study",
        "question": "Does a committee know <more>?",
        "command": "bayesnn-spike study run studies/toy --set a=1 && echo",
        "versions": {"python": "3.11.9", "torch": "2.13.0"},
        "rows": rows,
        "calibrated": [{**one, "temperature": entry([1.5, 1.6, 1.4])} for one in rows],
        "comparisons": [COMPARISON],
        "calibrated_comparisons": [COMPARISON],
        "noise_floor": [
            {"data": "nmnist", "rule": one["rule"], "predict": one["predict"], "ece": 0.02,
             "sd": 0.004, "high": 0.027, "definition": "labels drawn 1000 times"}
            for one in rows
        ],
        "definitions": {"nll": "mean -ln p(label) in nats", "ece": "top label, 15 bins"},
    }  # fmt: skip


def write_cell(folder: Path, *, rule, seed, fold, modes, indices, probs, labels):
    """Write one finished cell."""
    folder.mkdir(parents=True)
    temperature = {"text": f"rho of {rule}"} if rule == "bayes_bisnn" else {}
    record = {
        "data": "nmnist", "fold": fold, "rule": rule, "seed": seed, "temperature": temperature
    }  # fmt: skip
    (folder / "record.json").write_text(json.dumps(record))
    arrays = {"test.indices": indices, "test.labels": labels}
    for mode in modes:
        epistemic = 0.1 * (1 - probs.max(axis=1)) if mode == "committee" else np.zeros(len(probs))
        arrays |= {f"test.{mode}.probs": probs, f"test.{mode}.epistemic": epistemic}
    np.savez(folder / "predictions.npz", **arrays)


def write_study(folder: Path) -> Path:
    """Write a study of two rules, three seeds and two folds over 60 examples."""
    folder.mkdir()
    (folder / "summary.json").write_text(json.dumps(summary()))
    for rule, modes in (("straight_through", ["mode"]), ("bayes_bisnn", ["mode", "committee"])):
        for seed in range(3):
            probs, labels = random_case(60, 4, seed=seed)
            for fold in range(2):
                mine = np.arange(fold, 60, 2)
                write_cell(
                    folder / "cells" / f"nmnist-fold{fold}-{rule}-seed{seed}",
                    rule=rule, seed=seed, fold=fold, modes=modes,
                    indices=mine, probs=probs[mine], labels=labels[mine],
                )  # fmt: skip
    return folder
