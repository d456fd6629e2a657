"""From the cells' predictions to `summary.json`: scores by seed, intervals, noise floors.

One row is (data, rule, mode). Under folds a seed's predictions are pooled over its folds first, so
each value in `values` is one seed's score over all examples. Standard deviations have ddof 1; of
a single seed it is null. Oracle: tests/study/test_summary.py.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from bayesnn_spike.calibration import ece_noise_floor, fit_temperature
from bayesnn_spike.io import atomic_write_text
from bayesnn_spike.rng import Stream
from bayesnn_spike.study.compare import comparisons
from bayesnn_spike.study.config import StudyConfig
from bayesnn_spike.study.errors import StudyError
from bayesnn_spike.study.grid import Cell, cells
from bayesnn_spike.study.record import Scored, read_predictions, read_record, versions
from bayesnn_spike.study.resume import cell_folder
from bayesnn_spike.study.scores import METRICS, pool, score, spread

STREAM = Stream(0).child("study", "summary")
"""Of the bootstrap and the noise floor: equal predictions give equal summaries."""


@final
@dataclass(frozen=True, eq=False)
class Row:
    """The predictions of one rule in one mode on one data set, for all its seeds.

    Attributes:
        data, rule, mode: what it is.
        seeds: the seeds, ascending.
        probs: `[S, N, C]`.
        scaled: `[S, N, C]` after temperature scaling, or None without examples for it.
        temperatures: `[S]` fitted (mean over folds).
        labels: `[N]`.
        seconds: `[S]` of training one network (mean over folds).
    """

    data: str
    rule: str
    mode: str
    seeds: tuple[int, ...]
    probs: np.ndarray
    scaled: np.ndarray | None
    temperatures: np.ndarray
    labels: np.ndarray
    seconds: np.ndarray


def summarise(config: StudyConfig, out: Path, *, command: str) -> dict[str, Any]:
    """Return the summary of all finished cells of a study.

    A (data, rule, seed) of which only some folds are finished is left out.

    Args:
        config: the study.
        out: its output folder.
        command: what made it.

    Raises:
        StudyError: no cell is finished, a file cannot be read, or the cells of one data set were
            trained on different data.
    """
    rows = read_rows(config, out)
    if not rows:
        raise StudyError(f"{out}: no finished cells to summarise")
    calibrated = [row for row in rows if row.scaled is not None]
    return {
        "study": config.study,
        "question": config.question,
        "command": command,
        "versions": versions(),
        "rows": [_row(row, row.probs) for row in rows],
        "calibrated": [
            {**_row(row, row.scaled), "temperature": spread(row.temperatures)} for row in calibrated
        ],
        "comparisons": comparisons(
            [(row, row.probs) for row in rows], resamples=config.bootstrap, stream=STREAM
        ),
        "calibrated_comparisons": comparisons(
            [(row, row.scaled) for row in calibrated], resamples=config.bootstrap, stream=STREAM
        ),
        "noise_floor": [_floor(row, config.bootstrap) for row in rows],
        "definitions": {
            name: _definition(metric(rows[0].probs[0], rows[0].labels).definition)
            for name, metric in METRICS.items()
        },
    }


def _definition(text: str) -> str:
    """A score's definition without the counts of the examples it was computed on."""
    text = re.sub(r" \(\d+ of \d+ examples\)", "", text)
    return re.sub(r",? \d+ examples", "", text)


def write_summary(out: Path, summary: Mapping[str, Any]) -> Path:
    """Write `summary.json` and return its path."""
    path = out / "summary.json"
    atomic_write_text(path, json.dumps(summary, indent=1, allow_nan=False) + "\n")
    return path


def read_rows(config: StudyConfig, out: Path) -> list[Row]:
    """Return the rows of all finished cells, in the order of the configuration."""
    groups: dict[tuple[str, str], dict[int, list[Cell]]] = {}
    for cell in cells(config):
        groups.setdefault((cell.data, cell.rule), {}).setdefault(cell.seed, []).append(cell)
    rows: list[Row] = []
    digests: dict[str, str] = {}
    for (data, rule), seeds in groups.items():
        parts = {}
        for seed, members in seeds.items():
            records = [read_record(cell_folder(out, cell)) for cell in members]
            _require_same_data(data, records, out, digests)
            if all(record is not None for record in records):
                splits = [read_predictions(cell_folder(out, cell)) for cell in members]
                parts[seed] = (records, splits)
        if parts:
            modes = next(iter(parts.values()))[1][0]["test"].modes
            rows += [_collect(data, rule, mode, parts) for mode in sorted(modes, reverse=True)]
    return rows


def _require_same_data(
    data: str, records: Sequence[Mapping[str, Any] | None], out: Path, digests: dict[str, str]
) -> None:
    """Refuse cells of one data set that were trained on different spikes; notes what it saw."""
    for record in records:
        if record is None:
            continue
        digest = record["data_digest"]
        if digests.setdefault(data, digest) != digest:
            raise StudyError(
                f"{out}: {record['cell']} was trained on other data than the cells before it "
                f"({data}: digest {digest[:12]}, not {digests[data][:12]}); delete the cells of "
                "one of the two"
            )


def _collect(data: str, rule: str, mode: str, parts: Mapping[int, Any]) -> Row:
    probs, scaled, temperatures, seconds = [], [], [], []
    labels = None
    for records, splits in parts.values():
        tests = [split["test"] for split in splits]
        pooled, labels = pool(tests, [test.modes[mode].probs for test in tests])
        probs.append(pooled)
        seconds.append(np.mean([record["seconds"] for record in records]))
        fitted = _temperatures(splits, mode)
        if fitted is not None:
            parts_scaled = [
                temperature(test.modes[mode].probs)
                for temperature, test in zip(fitted, tests, strict=True)
            ]
            scaled.append(pool(tests, parts_scaled)[0])
            temperatures.append(np.mean([temperature.value for temperature in fitted]))
    return Row(
        data,
        rule,
        mode,
        tuple(parts),
        np.stack(probs),
        np.stack(scaled) if scaled else None,
        np.array(temperatures),
        labels,
        np.array(seconds),
    )


def _temperatures(splits: Sequence[Mapping[str, Scored]], mode: str) -> list[Any] | None:
    """Return a temperature for each fold of one seed, or None where nothing can fit one.

    It is fitted on the cell's own calib examples. Folds without any use the predictions that the
    other folds' networks made on their own test folds: the fit sees no label of the scaled fold,
    though those networks, as always in cross-validation, were trained on it.
    """
    if all("calib" in split for split in splits):
        return [
            fit_temperature(split["calib"].modes[mode].probs, split["calib"].labels)
            for split in splits
        ]
    if len(splits) < 2:
        return None
    fitted = []
    for index in range(len(splits)):
        others = [split["test"] for i, split in enumerate(splits) if i != index]
        probs = np.concatenate([other.modes[mode].probs for other in others])
        fitted.append(fit_temperature(probs, np.concatenate([other.labels for other in others])))
    return fitted


def _row(row: Row, probs: np.ndarray) -> dict[str, Any]:
    return {
        "data": row.data,
        "rule": row.rule,
        "predict": row.mode,
        "seeds": len(row.seeds),
        "examples": len(row.labels),
        "metrics": score(probs, row.labels),
        "seconds": spread(row.seconds),
    }


def _floor(row: Row, draws: int) -> dict[str, Any]:
    floors = [
        ece_noise_floor(probs, stream=STREAM.child("floor", row.data, row.rule, seed), draws=draws)
        for seed, probs in zip(row.seeds, row.probs, strict=True)
    ]
    return {
        "data": row.data,
        "rule": row.rule,
        "predict": row.mode,
        "ece": float(np.mean([floor.mean for floor in floors])),
        "sd": float(np.mean([floor.sd for floor in floors])),
        "high": float(np.mean([floor.high for floor in floors])),
        "definition": floors[0].definition,
    }
