"""A study of continual learning: choose settings, run all cells, and put the numbers together.

    config = load_continual(Path("studies/continual"))
    summary = run_continual_study(config, Path("runs/continual"), resume=True)

Oracle: tests/study/test_continual.py.
"""

import itertools
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bayesnn_spike.calibration import average_accuracy, backward_transfer, forgetting
from bayesnn_spike.io import atomic_write_text
from bayesnn_spike.study.continual_cell import (
    COLUMNS,
    continual_cells,
    run_continual,
    search_cell,
)
from bayesnn_spike.study.continual_config import ContinualConfig
from bayesnn_spike.study.data import load_data
from bayesnn_spike.study.errors import ConfigError
from bayesnn_spike.study.overrides import set_path
from bayesnn_spike.study.record import versions
from bayesnn_spike.study.resume import require_same_data, unfinished
from bayesnn_spike.study.scores import spread
from bayesnn_spike.study.yaml_file import dump_yaml

# 97.5 % quantiles of Student's t, by degrees of freedom, and that of the normal distribution.
STUDENT, NORMAL = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262), 1.959964


def run_continual_study(
    config: ContinualConfig,
    out: Path,
    *,
    resume: bool = False,
    root: Path | None = None,
    command: str = "",
    on_cell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Run all unfinished cells in this process and write `summary.json`.

    Args:
        config: the study.
        out: its output folder.
        resume: keep the cells that are finished there.
        root: folder of the data sets, or None for the user's cache.
        command: noted in the summary.
        on_cell: called with the name of each cell before it runs.

    Returns:
        The summary, see `summarise_continual`.

    Raises:
        ConfigError: finished cells are there without `resume`, or were made with other settings or
            data than those that are left to run.
    """
    cells = continual_cells(config)
    _run_cells(cells, out, resume, root, on_cell)
    records = [_read(out, cell.id) for cell in cells]
    summary = summarise_continual(config, records, command=command)
    atomic_write_text(out / "summary.json", json.dumps(summary, indent=1) + "\n")
    return summary


def search_continual(
    config: ContinualConfig,
    out: Path,
    *,
    results: Path,
    resume: bool = False,
    root: Path | None = None,
    command: str = "",
    on_cell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Try every combination of every method's grid and write `search.json` and `chosen.yaml`.

    Args:
        config: the study; its `search` block says what is tried.
        out: folder of the trainings.
        results: folder of the two files.
        resume, root, command, on_cell: as in `run_continual_study`.

    Returns:
        What `search.json` holds.

    Raises:
        ConfigError: there is no search block; or as `run_continual_study`.
        SplitReuseError: the search would learn from or score test examples.
    """
    if config.search is None:
        raise ConfigError("the study has no search block, so there is nothing to search")
    trials = [
        (name, changes, [search_cell(config, name, changes, s, number) for s in _seeds(config)])
        for name, grid in config.search.grid.items()
        for number, changes in enumerate(_combinations(grid))
    ]
    _run_cells([c for *_, cells in trials for c in cells], out, resume, root, on_cell)
    scored, chosen = [], {}
    for name, changes, cells in trials:
        records = [_read(out, cell.id) for cell in cells]
        finals = {c: [final(r, f"{c} accuracy") for r in records] for c in COLUMNS}
        score = float(np.mean([np.mean(values) for values in finals.values()]))
        scored.append({"method": name, "config": changes, "score": score, "accuracy": finals})
        if name not in chosen or score > chosen[name]["score"]:
            chosen[name] = {"config": changes, "score": score}
    record = {
        "study": config.study,
        "command": command,
        "versions": versions(),
        "search": config.search.model_dump(mode="json"),
        "trials": scored,
        "chosen": chosen,
    }
    atomic_write_text(results / "search.json", json.dumps(record, indent=1) + "\n")
    tree: dict[str, Any] = {}
    for name, entry in chosen.items():
        for key, value in entry["config"].items():
            set_path(tree.setdefault(name, {}), key.split("."), value, where=key)
    atomic_write_text(results / "chosen.yaml", dump_yaml({"methods": tree}))
    return record


def summarise_continual(
    config: ContinualConfig, records: Sequence[dict[str, Any]], *, command: str
) -> dict[str, Any]:
    """Return what `summary.json` holds.

    `methods`: by name, `scores` (by column and score: mean, std, values over seeds, and `interval`,
    the 95 % Student interval of the mean over seeds) and `matrices`, means over seeds.
    `differences`: the first method with `posterior_to_prior` minus every other, paired by seed.
    """
    by_method: dict[str, list[dict[str, Any]]] = {name: [] for name in config.methods}
    for record in records:
        by_method[record["method"]].append(record)
    methods = {name: _method(found) for name, found in by_method.items()}
    return {
        "study": config.study,
        "question": config.question,
        "data": config.data.name,
        "tasks": [list(task) for task in config.tasks],
        "command": command,
        "versions": versions(),
        "examples": records[0]["splits"],
        "methods": methods,
        "differences": _differences(config, methods),
    }


def final(record: dict[str, Any], key: str) -> float:
    """Return the mean over tasks of the last row of a matrix."""
    return float(np.mean(record["matrices"][key][-1]))


def with_interval(values: Sequence[float]) -> dict[str, Any]:
    """Return mean, std, values and the 95 % Student interval of the mean (None for one value)."""
    entry = spread(values)
    entry["interval"] = None
    if len(values) > 1:
        half = _quantile(len(values) - 1) * entry["std"] / len(values) ** 0.5
        entry["interval"] = [entry["mean"] - half, entry["mean"] + half]
    return entry


def _quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t; above 9 degrees of freedom to 1e-4.

    Source: Abramowitz and Stegun 26.7.5, the expansion in 1 / degrees of freedom.
    """
    if freedom <= len(STUDENT):
        return STUDENT[freedom - 1]
    x = NORMAL
    first = (x**3 + x) / 4
    second = (5 * x**5 + 16 * x**3 + 3 * x) / 96
    third = (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384
    return x + first / freedom + second / freedom**2 + third / freedom**3


def _method(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    scores: dict[str, Any] = {}
    for column in COLUMNS:
        matrices = [np.array(r["matrices"][f"{column} accuracy"]) for r in records]
        square = matrices[0].shape[0] == matrices[0].shape[1]
        found = {"accuracy": [final(r, f"{column} accuracy") for r in records]}
        if square:
            found["accuracy"] = [float(average_accuracy(m)) for m in matrices]
            found["backward_transfer"] = [float(backward_transfer(m)) for m in matrices]
            found["forgetting"] = [float(forgetting(m)) for m in matrices]
            found["just_learned"] = [float(m.diagonal().mean()) for m in matrices]
        for name in ("nll", "ece"):
            found[name] = [final(r, f"{column} {name}") for r in records]
        scores[column] = {name: with_interval(values) for name, values in found.items()}
    entry = {
        "seeds": len(records),
        "scores": scores,
        "matrices": {
            key: np.mean([r["matrices"][key] for r in records], axis=0).tolist()
            for key, rows in records[0]["matrices"].items()
            if rows[0] is not None
        },
        "seconds": spread([r["seconds"] for r in records]),
    }
    if records[0]["frozen"][0] is not None:
        entry["frozen"] = np.mean([r["frozen"] for r in records], axis=0).tolist()
    if "epistemic" in entry["matrices"] and len(entry["matrices"]["epistemic"]) > 1:
        entry["epistemic"] = _by_age(np.array(entry["matrices"]["epistemic"]))
    return entry


def _by_age(matrix: np.ndarray) -> dict[str, float]:
    """Mean mutual information on the task just learned, on those before and on those to come."""
    step, task = np.indices(matrix.shape)
    return {
        "old": float(matrix[task < step].mean()),
        "current": float(matrix.diagonal().mean()),
        "future": float(matrix[task > step].mean()),
    }


def _differences(config: ContinualConfig, methods: dict[str, Any]) -> list[dict[str, Any]]:
    streaming = [n for n, m in config.methods.items() if m.carry == "posterior_to_prior"]
    found = []
    for other in methods if streaming else ():
        if other == streaming[0]:
            continue
        entry = {"method": streaming[0], "minus": other}
        for column in COLUMNS:
            ours, theirs = (methods[n]["scores"][column] for n in (streaming[0], other))
            entry[column] = {
                name: with_interval(
                    np.subtract(ours[name]["values"], theirs[name]["values"]).tolist()
                )
                for name in ours
                if name in theirs
            }
        found.append(entry)
    return found


def _combinations(grid: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def _seeds(config: ContinualConfig) -> range:
    return range(config.search.seeds)


def _run_cells(
    cells: Sequence[Any], out: Path, resume: bool, root: Path | None, on_cell: Callable[[str], None]
) -> None:
    """Run those that are not finished."""
    todo = unfinished(cells, out, resume=resume)
    if todo:
        described = todo[0].settings["data"]
        digest = load_data(described, root).info["digest"]
        require_same_data(cells, out, data=described, digest=digest)
    _require_writable(out)
    for cell in todo:
        on_cell(cell.id)
        run_continual(cell, out, root)


def _require_writable(out: Path) -> None:
    """Find out before anything is trained whether results can be kept."""
    try:
        (out / "cells").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"results cannot be written to {out}: {error}") from error
    if not os.access(out / "cells", os.W_OK):
        raise ConfigError(f"results cannot be written to {out}: no permission")


def _read(out: Path, cell: str) -> dict[str, Any]:
    return json.loads((out / "cells" / cell / "record.json").read_text(encoding="utf-8"))
