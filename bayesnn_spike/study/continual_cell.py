"""One cell of a study of continual learning: learn the tasks, score every task after each.

Oracle: tests/study/test_continual_cell.py.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from bayesnn_spike.calibration import accuracy, ece, nll, within_classes
from bayesnn_spike.events.datasets import SpikeDataset
from bayesnn_spike.events.ledger import SplitError
from bayesnn_spike.events.splits import Split
from bayesnn_spike.learn.continual import (
    Elastic,
    Method,
    Naive,
    PosteriorToPrior,
    Task,
    class_tasks,
    frozen_share,
    learn_tasks,
)
from bayesnn_spike.learn.coreset import Coreset
from bayesnn_spike.learn.rule import Rule
from bayesnn_spike.posterior import AbstractPosterior
from bayesnn_spike.predict import Predictive
from bayesnn_spike.rng import Stream
from bayesnn_spike.study.build import make_loss, make_network, make_rule, measure_length
from bayesnn_spike.study.cell import augmentation
from bayesnn_spike.study.continual_config import ContinualConfig, MethodConfig, changed
from bayesnn_spike.study.data import checked_parts, join, load_data, named
from bayesnn_spike.study.errors import ConfigError
from bayesnn_spike.study.grid import Cell
from bayesnn_spike.study.record import versions, write_record
from bayesnn_spike.study.resume import cell_folder
from bayesnn_spike.study.trained import Trained

COLUMNS = ("class", "task")
"""Class-incremental: the classes of all tasks compete. Task-incremental: the task is told."""
SCORES = {"accuracy": accuracy, "nll": nll, "ece": ece}


def continual_cells(config: ContinualConfig) -> list[Cell]:
    """Return the cells of the study itself, the first seed of every method first."""
    protocol = config.data.protocol
    return [
        _cell(config, name, method, seed, protocol.train, protocol.test)
        for seed in range(config.seeds)
        for name, method in config.methods.items()
    ]


def search_cell(config: ContinualConfig, name: str, changes: dict, seed: int, trial: int) -> Cell:
    """Return a cell that tries other values of one method, on the validation split."""
    search = config.search
    method = changed(config.methods[name], changes)
    return _cell(config, name, method, seed, search.train, search.val, trial)


def _cell(
    config: ContinualConfig,
    name: str,
    method: MethodConfig,
    seed: int,
    train: Sequence[str],
    test: str,
    trial: int | None = None,
) -> Cell:
    settings = {
        "data": config.data.model_dump(mode="json", exclude={"batch_size", "protocol"}),
        "train": list(train),
        "test": test,
        "reserved": config.data.protocol.test,
        "tasks": [list(task) for task in config.tasks],
        "network": config.network.model_dump(mode="json"),
        "credit": config.credit.model_dump(mode="json"),
        "predict": config.predict.model_dump(mode="json", exclude={"batch_size"}),
        "method": method.model_dump(mode="json", exclude={"settings"}),
        "recipe": method.recipe(),
        "batch_size": config.data.batch_size or config.batch_size,
        "seed": seed,
    }
    return Cell(config.data.name, None, name, seed, settings, trial)


def run_continual(cell: Cell, out: Path, root: Path | None = None) -> dict[str, Any]:
    """Learn the tasks of one cell and write its record.

    Args:
        cell: method and seed.
        out: the study's output folder.
        root: folder of the data sets, or None for the user's cache.

    Returns:
        The record, with `matrices` (see `evaluate`) and `frozen`, a share after each task.

    Raises:
        SplitReuseError: the test examples would be learned from.
        ConfigError: a task of a class that the data have not, or without examples beside a coreset.
    """
    torch.set_num_threads(1)  # sums then do not depend on the machine's number of cores
    settings = cell.settings
    data = load_data(settings["data"], root)
    train, test = _splits(data, settings)
    network, _ = make_network(
        settings, shape=tuple(data.spikes.shape[2:]), classes=len(data.classes)
    )
    stream = Stream(cell.seed).child("continual", cell.data)
    tasks, asked = (
        _tasks(data, part.indices, settings["tasks"], name)
        for part, name in ((train, "training"), (test, "scored"))
    )
    if settings["method"]["carry"] == "joint":
        flat = tuple(c for task in tasks for c in task.classes)
        tasks = class_tasks(data.labels, train.indices, [flat])
    coreset = _coreset(cell, tasks)
    loss = make_loss(settings, network)
    started, rows, frozen = time.perf_counter(), [], []
    for trained in learn_tasks(
        make_method(settings, steps=data.spikes.shape[1], loss=loss),
        network,
        loss,
        data,
        tasks,
        epochs=settings["recipe"]["epochs"],
        batch_size=settings["batch_size"],
        stream=stream.child("learn"),
        horizon=settings["credit"]["horizon"],
        burn_in=settings["credit"]["burn_in"],
        augment=augmentation(settings),
        coreset=coreset,
    ):
        answers = stream.child("predict", trained.task)
        rows.append(evaluate(data, asked, network, trained.posterior, settings, answers))
        frozen.append(frozen_share(trained.posterior))
    record = {
        "cell": cell.id,
        "method": cell.rule,
        "seed": cell.seed,
        "settings": settings,
        "fingerprint": cell.fingerprint,
        "data_digest": data.info["digest"],
        "splits": {s.name: {"digest": s.digest, "examples": len(s)} for s in (train, test)},
        "examples": {
            "learned": [len(task.indices) for task in tasks],
            "scored": [len(task.indices) for task in asked],
        },
        "matrices": {key: [row[key] for row in rows] for key in rows[0]},
        "frozen": frozen,
        "seconds": time.perf_counter() - started,
        "versions": versions(),
    }
    write_record(_made(cell_folder(out, cell)), record)
    return record


def make_method(settings: dict[str, Any], *, steps: int, loss: Any) -> Method:
    """Build what a cell's settings describe; each task's schedule and temperature are its own."""
    name, carry = settings["method"]["rule"], settings["method"]["carry"]

    def make(examples: int) -> Rule:
        length = measure_length(settings, examples=examples, steps=steps, loss=loss)
        return make_rule(name, settings["recipe"], length)

    if carry == "posterior_to_prior":
        return PosteriorToPrior(make)
    if carry == "ewc":
        return Elastic(make, settings["method"]["strength"])
    return Naive(make)


def evaluate(
    data: SpikeDataset,
    tasks: Sequence[Task],
    network: nn.Module,
    posterior: AbstractPosterior,
    settings: dict[str, Any],
    stream: Stream,
) -> dict[str, list[float] | None]:
    """Return one row of every matrix: a number for each task's test examples.

    Keys are `class accuracy`, `task accuracy`, the same of nll and ece, and `epistemic`: the mean
    mutual information of label and weights in nats, None of one network. A spread posterior
    answers by its committee.
    """
    rows = np.concatenate([task.indices for task in tasks])
    trained = Trained(network, posterior, settings, stream)
    answers = trained.answers(data.spikes[torch.tensor(rows)].transpose(0, 1))
    answer: Predictive = answers.get("committee", answers.get("mode"))
    labels, probs = data.labels[torch.tensor(rows)].numpy(), answer.probabilities.numpy()
    epistemic = answer.epistemic().numpy()
    edges = np.cumsum([0, *(len(task.indices) for task in tasks)])
    parts = [slice(*edges[i : i + 2]) for i in range(len(tasks))]
    found: dict[str, list[float] | None] = {}
    for name, score in SCORES.items():
        found[f"class {name}"] = [float(score(probs[part], labels[part])) for part in parts]
        found[f"task {name}"] = [
            float(score(within_classes(probs[part], task.classes), labels[part]))
            for task, part in zip(tasks, parts, strict=True)
        ]
    several = len(answer.members) > 1
    found["epistemic"] = [float(epistemic[part].mean()) for part in parts] if several else None
    return found


def _splits(data: SpikeDataset, settings: dict[str, Any]) -> tuple[Split, Split]:
    train = join(*(named(data, name) for name in settings["train"]), name="train")
    parts = checked_parts(train, None, named(data, settings["test"]))
    if settings["test"] != settings["reserved"]:
        # A search: neither part may touch the examples of the final score.
        for part in (parts.train, parts.test):
            checked_parts(part, None, named(data, settings["reserved"]))
    return parts.train, parts.test


def _coreset(cell: Cell, tasks: Sequence[Task]) -> Coreset | None:
    kept = cell.settings["method"]["coreset"]
    if not kept:
        return None
    coreset = Coreset(kept)
    for task in tasks:
        try:
            coreset.left(len(task.indices))
        except ValueError as error:
            where = f"methods.{cell.rule}.coreset: {error} examples of the task"
            raise ConfigError(f"{where} {list(task.classes)}") from error
    return coreset


def _tasks(
    data: SpikeDataset, rows: np.ndarray, groups: Sequence[Sequence[int]], examples: str
) -> tuple[Task, ...]:
    """The tasks of one part; what is wrong with them is wrong in the configuration."""
    known = range(len(data.classes))
    unknown = sorted({c for group in groups for c in group if c not in known})
    if unknown:
        raise ConfigError(
            f"tasks: {data.name} has no class {unknown[0]}; its {len(known)} classes are numbered "
            f"from 0 to {len(known) - 1}"
        )
    try:
        return class_tasks(data.labels, rows, groups)
    except SplitError as error:
        raise ConfigError(f"tasks: {error} among the {examples} examples") from error


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
