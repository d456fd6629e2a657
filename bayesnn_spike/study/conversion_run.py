"""A whole recipe: what it cannot do, its phases, its summary. `bayesnn-spike hybrid` is this.

    recipe = load_recipe(Path("studies/hybrid_conversion/recipes/cifar10_vgg5.yaml"))
    summary = run_recipe(recipe, Path("runs/cifar10_vgg5"), root=Path("data"), resume=True)
    summary["rows"]

Oracle: tests/study/test_conversion_run.py.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bayesnn_spike.io import atomic_write_text
from bayesnn_spike.rng import Stream
from bayesnn_spike.study.conversion_check import require_possible, skeleton
from bayesnn_spike.study.conversion_config import RecipeConfig, whole
from bayesnn_spike.study.conversion_data import load_images
from bayesnn_spike.study.conversion_files import PHASES, read_phase, require_resumable
from bayesnn_spike.study.conversion_phases import (
    convert_ann,
    new_ann,
    require_networks,
    train_ann,
    train_hybrid,
)
from bayesnn_spike.study.conversion_work import Work, quiet, settings_of
from bayesnn_spike.study.errors import ConfigError
from bayesnn_spike.study.record import versions
from bayesnn_spike.study.yaml_file import dump_yaml, read_yaml

_RUN = {"ann": train_ann, "converted": convert_ann, "hybrid": train_hybrid}


def run_recipe(
    recipe: RecipeConfig,
    folder: Path,
    *,
    seed: int = 0,
    root: Path | None = None,
    device: str = "cpu",
    resume: bool = False,
    command: str = "",
    tell: Callable[[str], None] = quiet,
) -> dict[str, Any]:
    """Train the ANN, convert it, train the spiking network, score all three, write the summary.

    Args:
        recipe: what to do.
        folder: the output folder; see `bayesnn_spike/study/conversion_files.py`.
        seed: of first weights, orders, masks and spikes.
        root: folder of the data; see `load_images`. None looks in the user's cache.
        device: "cpu", "cuda", "cuda:1", ...
        resume: keep finished phases, and go on with a training that was stopped.
        command: noted in the summary.
        tell: gets a line of progress now and then.

    Returns:
        What `summary.json` holds.

    Raises:
        ConfigError: the recipe cannot be run, or the folder holds another, or results or a stopped
            training without `resume`; nothing was trained.
        DataSetError, EventFileError: images are missing or damaged.
        StudyError: a training diverged, or a file in the folder is damaged or not the one that
            its record tells of.
    """
    _require_device(device)
    data = load_images(recipe, root)
    settings = settings_of(recipe, data, seed)
    work = Work(recipe, data, folder, Stream(seed), settings, device, tell)
    require_possible(recipe, skeleton(recipe, new_ann(work), data.shape))
    finished = require_resumable(folder, settings, resume=resume)
    _require_name(recipe.recipe, folder / "recipe.yaml", resume=resume)
    require_networks(work, finished)
    atomic_write_text(folder / "recipe.yaml", dump_yaml(whole(recipe)))
    for phase in PHASES:
        if phase in finished:
            tell(f"{phase}: finished before")
        else:
            _RUN[phase](work)
    summary = summarise(work, seed=seed, command=command)
    text = json.dumps(summary, indent=1, allow_nan=False)
    atomic_write_text(folder / "summary.json", text + "\n")
    return summary


def summarise(work: Work, *, seed: int, command: str = "") -> dict[str, Any]:
    """Return the summary of the finished phases in a folder."""
    records = {phase: read_phase(work.folder, phase) for phase in PHASES}
    steps = work.recipe.hybrid.steps
    rows = [
        {
            "phase": phase,
            "steps": None if phase == "ann" else steps,
            "split": split,
            **record["scores"][split],
        }
        for phase, record in records.items()
        if record is not None
        for split in work.scored()
    ]
    return {
        "recipe": work.recipe.recipe,
        "command": command,
        "seed": seed,
        "versions": versions(),
        "data": {
            "name": work.recipe.data.name,
            "fingerprint": work.data.info["fingerprint"],
            "examples": {name: len(split) for name, split in work.data.splits.items()},
        },
        "rows": rows,
        "reported": work.recipe.reported.model_dump(mode="json"),
        "seconds": {p: record["seconds"] for p, record in records.items() if record is not None},
        "conversion": [] if records["converted"] is None else records["converted"]["report"],
        "definitions": next(record["definitions"] for record in records.values() if record),
    }


def _require_name(name: str, file: Path, *, resume: bool) -> None:
    """Refuse to go on with the results of a recipe under another name."""
    tree = read_yaml(file) if resume and file.is_file() else None
    before = tree.get("recipe", name) if isinstance(tree, dict) else name
    if before != name:
        raise ConfigError(
            f"{file.parent}: holds the recipe {before!r}, this one is named {name!r}: give that "
            f"name (--set recipe={before}), or another folder (--out)"
        )


def _require_device(device: str) -> None:
    """Say at once that a device is not there, or of a kind that this package does not run on."""
    try:
        known = torch.device(device).type in ("cpu", "cuda")
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"--device {device}: cannot be used here: {reason}") from error
    if not known:
        raise ConfigError(f"--device {device}: networks run on cpu or cuda")
