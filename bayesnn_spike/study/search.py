"""Choose every rule's hyper-parameters on the validation split, with the same budget.

For each data set and rule, `budget` combinations of the grid are trained and scored on validation
examples; the best mean score wins. The test split takes no part: asking for it is refused.
Oracle: tests/study/test_search.py.
"""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from bayesnn_spike.io import atomic_write_text
from bayesnn_spike.rng import Stream
from bayesnn_spike.study.cell import Work
from bayesnn_spike.study.config import DataConfig, Holdout, SearchConfig, StudyConfig
from bayesnn_spike.study.errors import ConfigError
from bayesnn_spike.study.grid import Cell, cell
from bayesnn_spike.study.overrides import set_path
from bayesnn_spike.study.pool import Failure, cores, run_cells
from bayesnn_spike.study.progress import Progress, busy
from bayesnn_spike.study.record import read_predictions, read_record, versions
from bayesnn_spike.study.resume import cell_folder, unfinished
from bayesnn_spike.study.run import prepare, write_config
from bayesnn_spike.study.scores import pool, score
from bayesnn_spike.study.yaml_file import dump_yaml


@final
@dataclass(frozen=True)
class Trial:
    """One configuration of one rule on one data set, and the cells that score it."""

    data: str
    rule: str
    number: int
    changes: dict[str, Any]
    cells: tuple[Cell, ...]


def search_study(
    config: StudyConfig,
    out: Path,
    *,
    results: Path,
    resume: bool = False,
    workers: int | None = None,
    root: Path | None = None,
    command: str = "",
    quiet: bool = False,
) -> tuple[dict[str, Any], list[Failure]]:
    """Run the search of a study and write `search.json` and `chosen.yaml` to `results`.

    Args:
        config: the study; its `search` block says what is tried.
        out: folder of the trainings; they are resumed like those of `run_study`.
        results: folder of the two files.
        resume, workers, root, command, quiet: as in `run_study`.

    Returns:
        What `search.json` holds, and the cells that failed.

    Raises:
        ConfigError: the study has no search block; or as `run_study`.
        SplitReuseError: the search would train or score on test examples.
    """
    if config.search is None:
        raise ConfigError("the study has no search block, so there is nothing to search")
    tried = trials(config)
    asked = [c for trial in tried for c in trial.cells]
    left = unfinished(asked, out, resume=resume)
    with busy(f"{config.study} search: loading the data", quiet=quiet):
        prepare(left, root, asked=asked, out=out)
    write_config(config, out)
    failures = run_cells(
        left,
        Work(out, root, config.predict.batch_size),
        workers=workers or cores(),
        progress=Progress(f"{config.study} search", quiet=quiet),
    )
    scored = [_score(trial, out) for trial in tried]
    chosen = choose(scored, config.search.metric)
    record = {
        "study": config.study,
        "command": command,
        "versions": versions(),
        "search": config.search.model_dump(mode="json"),
        "trials": scored,
        "chosen": chosen,
    }
    atomic_write_text(results / "search.json", json.dumps(record, indent=1) + "\n")
    atomic_write_text(results / "chosen.yaml", chosen_yaml(chosen))
    return record, failures


def trials(config: StudyConfig) -> list[Trial]:
    """Return every configuration to try: the same number for each rule and data set."""
    search = config.search
    return [
        _trial(config, search, data, rule, number, changes)
        for data in config.data
        for rule in config.rules.trained()
        for number, changes in enumerate(combinations(search.grid[rule], search.budget, rule))
    ]


def combinations(grid: dict[str, list[Any]], budget: int, rule: str) -> list[dict[str, Any]]:
    """Return `budget` of the grid's combinations, in the grid's order.

    Where there are more, a random subset is taken: the same one every time.
    """
    every = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    if len(every) == budget:
        return every
    order = Stream(0).child("search", rule).numpy().permutation(len(every))
    return [every[index] for index in sorted(order[:budget].tolist())]


def choose(scored: list[dict[str, Any]], metric: str) -> dict[str, dict[str, Any]]:
    """Return the best configuration by data set and rule; unfinished ones cannot win."""
    chosen: dict[str, dict[str, Any]] = {}
    best: dict[tuple[str, str], float] = {}
    for entry in scored:
        if entry["metrics"] is None:
            continue
        key = entry["data"], entry["rule"]
        score = entry["metrics"][metric]["mean"]
        if key not in best or score < best[key]:
            best[key] = score
            chosen.setdefault(entry["data"], {})[entry["rule"]] = {
                "config": entry["config"],
                metric: score,
            }
    return chosen


def chosen_yaml(chosen: dict[str, dict[str, Any]]) -> str:
    """Return the chosen values as YAML, ready for the `rules` block of a configuration."""
    rules: dict[str, Any] = {}
    for data, by_rule in chosen.items():
        for rule, entry in by_rule.items():
            block = rules.setdefault(rule, {})
            if len(chosen) > 1:
                block = block.setdefault("per_data", {}).setdefault(data, {})
            for key, value in entry["config"].items():
                set_path(block, key.split("."), value, where=key)
    return dump_yaml({"rules": rules})


def _trial(
    config: StudyConfig,
    search: SearchConfig,
    data: DataConfig,
    rule: str,
    number: int,
    changes: dict[str, Any],
) -> Trial:
    test = data.protocol.test if isinstance(data.protocol, Holdout) else "test"
    protocol = {
        "kind": "search",
        "folds": search.folds,
        "seed": 0,
        "train": list(search.train),
        "val": search.val,
        "test": test,
    }
    members = tuple(
        cell(
            config,
            data=data,
            fold=fold,
            rule=rule,
            seed=seed,
            changes=changes,
            protocol=protocol,
            trial=number,
        )
        for seed in range(search.seeds)
        for fold in (range(search.folds) if search.folds else [None])
    )
    return Trial(data.name, rule, number, changes, members)


def _score(trial: Trial, out: Path) -> dict[str, Any]:
    """Return a trial's scores: pooled over the folds of a seed, then by seed."""
    entry = {"data": trial.data, "rule": trial.rule, "config": trial.changes, "metrics": None}
    if any(read_record(cell_folder(out, c)) is None for c in trial.cells):
        return entry
    by_seed: dict[int, list[Any]] = {}
    for c in trial.cells:
        scored = read_predictions(cell_folder(out, c))["test"]
        by_seed.setdefault(c.seed, []).append(scored)
    pooled = []
    for tests in by_seed.values():
        modes = [test.modes.get("committee", test.modes.get("mode")) for test in tests]
        probs, labels = pool(tests, [mode.probs for mode in modes])
        pooled.append(probs)
    seconds = float(np.mean([read_record(cell_folder(out, c))["seconds"] for c in trial.cells]))
    return {**entry, "metrics": score(np.stack(pooled), labels), "seconds": seconds}
