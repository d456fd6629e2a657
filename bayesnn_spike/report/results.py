"""Reads what a study left in its output folder, for the report.

    summary.json                   scores, comparisons, noise floors, definitions
    cells/<id>/record.json         data, fold, rule, seed, temperature of one training
    cells/<id>/predictions.npz     arrays SPLIT.labels, SPLIT.indices, SPLIT.MODE.probs, ...

Oracle: tests/report/test_results.py.
"""

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np


class ReportError(ValueError):
    """A study's output cannot be reported; the message names the file and what is wrong."""


@final
@dataclass(frozen=True, eq=False)
class Answers:
    """The answers of one rule in one mode with one seed, all folds together.

    Attributes:
        seed: which.
        probs: `[N, C]`.
        epistemic: `[N]` nats.
        labels: `[N]`.
    """

    seed: int
    probs: np.ndarray
    epistemic: np.ndarray
    labels: np.ndarray

    @property
    def correct(self) -> np.ndarray:
        """`[N]` whether the answer is right."""
        return self.probs.argmax(axis=1) == self.labels


def read_summary(folder: Path) -> dict[str, Any]:
    """Return a study's summary.

    Raises:
        ReportError: it is missing or no summary.
    """
    path = folder / "summary.json"
    summary = _json(path)
    missing = sorted({"study", "rows"} - summary.keys())
    if missing:
        raise ReportError(f"{path}: no summary of a study: {missing} missing")
    return summary


def read_records(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Return (folder, record) of every finished cell, sorted by folder.

    Raises:
        ReportError: a record cannot be read.
    """
    return [(path.parent, _json(path)) for path in sorted(folder.glob("cells/*/record.json"))]


def first_answers(
    records: Sequence[tuple[Path, dict[str, Any]]], row: dict[str, Any]
) -> Answers | None:
    """Return the answers behind a row of the summary, of the lowest seed that is complete.

    Args:
        records: of the study's cells.
        row: with data, rule, predict and, to know complete seeds by, examples.

    Returns:
        The answers, or None where no seed has all its folds.

    Raises:
        ReportError: a predictions file is missing, cut or of another form, or an example was
            predicted twice.
    """
    cells = [
        (record["seed"], folder)
        for folder, record in records
        if (record["data"], record["rule"]) == (row["data"], row["rule"])
    ]
    for seed in sorted({seed for seed, _ in cells}):
        parts = [
            _test_answers(folder / "predictions.npz", row["predict"])
            for found, folder in sorted(cells)
            if found == seed
        ]
        probs, epistemic, labels, indices = (
            np.concatenate(arrays) for arrays in zip(*parts, strict=True)
        )
        if len(np.unique(indices)) < len(indices):
            raise ReportError(
                f"{row['data']}, {row['rule']}, seed {seed}: an example is in two folds"
            )
        if row.get("examples", len(labels)) == len(labels):
            return Answers(seed, probs, epistemic, labels)
    return None


def _test_answers(path: Path, mode: str) -> tuple[np.ndarray, ...]:
    names = (f"test.{mode}.probs", f"test.{mode}.epistemic", "test.labels", "test.indices")
    try:
        # From memory: numpy leaves the file open where the archive in it is cut.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            return tuple(file[name] for name in names)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ReportError(f"{path}: cannot be read as a cell's predictions: {error}") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReportError(f"{path}: cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise ReportError(f"{path}: must hold a JSON object, it holds a {type(found).__name__}")
    return found
