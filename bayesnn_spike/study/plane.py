"""Asks a trained posterior all over the plane that its inputs are points of.

Two inputs can be shown whole: the picture says what a network answers where it has seen no
example, which no score on test examples can. `bayesnn_spike.report.plane` draws it.
Oracle: tests/study/test_plane.py.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bayesnn_spike.events.datasets import SpikeDataset, two_moons
from bayesnn_spike.events.splits import Split
from bayesnn_spike.predict import Predictive
from bayesnn_spike.report.plane_file import PlaneAnswers, write_plane
from bayesnn_spike.study.trained import Trained

PLANES = ("two-moons",)
"""The data sets whose inputs are points of a plane."""


def answer_plane(
    folder: Path,
    data: SpikeDataset,
    train: Split,
    trained: Trained,
    *,
    steps: int,
) -> None:
    """Write a cell's answers over the plane; nothing where the data set's inputs are no plane.

    Args:
        folder: of the cell.
        data: the cell's data set.
        train: the examples it was trained on.
        trained: the network to ask.
        steps: points per axis, at 0, 1 / steps, ..., 1 - 1 / steps.
    """
    if data.name not in PLANES:
        return
    info = data.info
    nodes, spikes = two_moons.grid(bins=info["bins"], seed=info["seed"], steps=steps)
    axis = nodes[:steps, 1].numpy()
    sizes = {name: len(split) for name, split in data.splits.items()}
    xy, labels = _training_points(info, sizes, train)
    found = trained.answers(spikes.transpose(0, 1))
    modes = {mode: _fields(answer, steps) for mode, answer in found.items()}
    first, second = data.classes
    write_plane(folder, PlaneAnswers(axis, axis, xy, labels, (first, second), modes))


def _fields(answer: Predictive, steps: int) -> dict[str, np.ndarray]:
    """Return maps `[H, W]`: the grid's second coordinate, which runs fastest, is the height."""
    values: dict[str, Any] = {
        "probability": answer.probabilities[:, 1],
        "total": answer.total(),
        "aleatoric": answer.aleatoric(),
        "epistemic": answer.epistemic(),
    }
    return {name: value.view(steps, steps).T.numpy() for name, value in values.items()}


def _training_points(
    info: Mapping[str, Any], sizes: dict[str, int], train: Split
) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates `[n, 2]` and labels `[n]` of the training examples."""
    parts = two_moons.points(sizes, noise=info["noise"], seed=info["seed"]).values()
    xy = np.concatenate([points.numpy() for points, _ in parts])
    labels = np.concatenate([classes.numpy() for _, classes in parts])
    return xy[train.indices], labels[train.indices]
