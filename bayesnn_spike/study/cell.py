"""One cell, top to bottom: load, divide, train, predict, save.

Oracle: tests/study/test_cell.py.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import nn

from bayesnn_spike.events.augment import Shift
from bayesnn_spike.events.datasets import SpikeDataset
from bayesnn_spike.events.ledger import Split
from bayesnn_spike.export import save_artifact
from bayesnn_spike.learn import learner
from bayesnn_spike.learn.checkpoint import Checkpoint
from bayesnn_spike.learn.fit import Batches, EpochEvent, StepEvent, fit
from bayesnn_spike.posterior import AbstractPosterior
from bayesnn_spike.rng import Stream
from bayesnn_spike.study.build import (
    make_loss,
    make_network,
    make_rule,
    make_temperature,
    measure_length,
)
from bayesnn_spike.study.data import Parts, divide, load_data
from bayesnn_spike.study.grid import Cell
from bayesnn_spike.study.plane import answer_plane
from bayesnn_spike.study.record import versions, write_predictions, write_record
from bayesnn_spike.study.trained import Trained
from bayesnn_spike.types import Batch

CHECKPOINT_EPOCHS = 10
"""How often a training is saved: a killed cell loses no more than this."""


@final
@dataclass(frozen=True)
class Work:
    """Where cells find their data and leave their results.

    Attributes:
        out: the study's output folder.
        root: folder of the data sets, or None for the user's cache.
        batch_size: examples predicted at a time; changes no result.
        plane: points per axis at which networks of a plane's points are asked for the picture;
            None asks them nowhere but at the examples.
    """

    out: Path
    root: Path | None = None
    batch_size: int = 256
    plane: int | None = None

    def folder(self, cell: Cell) -> Path:
        """Return the folder of a cell."""
        return self.out / "cells" / cell.id


def run_cell(cell: Cell, work: Work, *, on_epoch: Callable[[], None] = lambda: None) -> None:
    """Train one network, predict with it, and write its folder.

    A cell that was killed goes on from its checkpoint and ends with the same bits.

    Args:
        cell: what to train on what.
        work: where to read and to write.
        on_epoch: called after every epoch; an exception from it stops the cell.
    """
    torch.set_num_threads(1)  # sums then do not depend on the machine's number of cores
    settings, folder = cell.settings, work.folder(cell)
    folder.mkdir(parents=True, exist_ok=True)
    data = load_data(settings["data"], work.root)
    parts = divide(data, settings)
    shape = tuple(data.spikes.shape[2:])
    network, description = make_network(settings, shape=shape, classes=len(data.classes))
    training = train(cell, data, parts.train, network, folder, on_epoch)
    trained = Trained(
        network, training.posterior, settings, cell_stream(cell).child("predict"), work.batch_size
    )
    scored = {
        name: trained.score(data, split)
        for name, split in (("test", parts.test), ("calib", parts.calib))
        if split is not None
    }
    write_predictions(folder, scored)
    if work.plane is not None:
        answer_plane(folder, data, parts.train, trained, steps=work.plane)
    record = describe(cell, data, parts, training)
    save_artifact(
        folder / "model.safetensors",
        posterior=training.posterior,
        network=description,
        shape=shape,
        classes=data.classes,
        encoding={key: value for key, value in data.info.items() if key != "source"},
        training={key: value for key, value in record.items() if key != "seconds"},
    )
    write_record(folder, record)
    for leftover in (*folder.glob("checkpoint*"), folder / "error.txt"):
        leftover.unlink(missing_ok=True)


@final
@dataclass(frozen=True, eq=False)
class Training:
    """What a training ends with.

    Attributes:
        posterior: what was learned.
        loss: mean training loss of the last epoch, as far as it was run by this process.
        seconds: of the whole training; of a resumed one, extrapolated from the part since.
        temperature: of the posterior, in words and numbers; empty for point rules.
    """

    posterior: AbstractPosterior
    loss: float | None
    seconds: float
    temperature: dict[str, Any]


def train(
    cell: Cell,
    data: Batches,
    split: Split,
    network: nn.Module,
    folder: Path,
    on_epoch: Callable[[], None] = lambda: None,
) -> Training:
    """Train the cell's network on one split."""
    settings, recipe = cell.settings, cell.settings["recipe"]
    loss = make_loss(settings, network)
    steps = data.batch(split.indices[:1]).spikes.shape[0]
    length = measure_length(settings, examples=len(split), steps=steps, loss=loss)
    rule = make_rule(cell.rule, recipe, length)
    credit = settings["credit"]
    learning = learner(rule, network, loss, horizon=credit["horizon"], burn_in=credit["burn_in"])
    stream = cell_stream(cell)
    started, done, last = time.perf_counter(), [], []

    def watch(event: StepEvent | EpochEvent) -> None:
        if isinstance(event, EpochEvent):
            last[:] = [float(info.loss) for info in event.infos]
            on_epoch()
        else:
            done.append(event.step)

    state = fit(
        learning,
        learning.init(stream.child("learner")),
        data,
        split.indices,
        epochs=recipe["epochs"],
        batch_size=settings["batch_size"],
        stream=stream.child("order"),
        augment=augmentation(settings),
        callbacks=[watch],
        checkpoint=Checkpoint(
            # Named by the settings: what another configuration left behind is never gone on from.
            folder / f"checkpoint-{cell.fingerprint[:16]}.safetensors",
            every=CHECKPOINT_EPOCHS * length.batches,
            config={"fingerprint": cell.fingerprint},
        ),
    )
    seconds = time.perf_counter() - started
    if done:
        seconds *= recipe["epochs"] * length.batches / len(done)
    temperature = {}
    if "tempering" in recipe:
        made = make_temperature(recipe, length)
        temperature = {
            "text": str(made),
            "examples": made.examples,
            "scored_steps": made.scored_steps,
            "tempering": made.tempering,
            "rho": made.rho,
        }
    mean = sum(last) / len(last) if last else None  # nothing was left to train after a kill
    return Training(learning.posterior(state), mean, seconds, temperature)


def cell_stream(cell: Cell) -> Stream:
    """Return the cell's stream. Rules share it: equal seeds see equal batches in equal order."""
    fold = -1 if cell.fold is None else cell.fold
    return Stream(cell.seed).child("cell", cell.data, fold)


def augmentation(settings: dict[str, Any]) -> Callable[[Batch, Stream], Batch] | None:
    """Return the training's augmentation, or None."""
    pixels = settings["data"]["augment_shift"]
    if not pixels:
        return None
    shift = Shift(pixels)
    return lambda batch, stream: Batch(shift(batch.spikes, stream), batch.labels)


def describe(cell: Cell, data: SpikeDataset, parts: Parts, training: Training) -> dict[str, Any]:
    """Return the record of a finished cell."""
    splits = {"train": parts.train, "calib": parts.calib, "test": parts.test}
    return {
        "cell": cell.id,
        "data": cell.data,
        "fold": cell.fold,
        "rule": cell.rule,
        "seed": cell.seed,
        "settings": cell.settings,
        "fingerprint": cell.fingerprint,
        "data_digest": data.info["digest"],
        "splits": {
            name: {"name": split.name, "digest": split.digest, "examples": len(split)}
            for name, split in splits.items()
            if split is not None
        },
        "temperature": training.temperature,
        "train_loss": training.loss,
        "seconds": training.seconds,
        "versions": versions(),
    }
