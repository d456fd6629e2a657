"""What the phases of a recipe leave in its output folder, and which of them are finished.

    ann.safetensors          weights of the ANN (`bayesnn_spike.io.load_tree`)
    converted.safetensors    the conversion (`bayesnn_spike.convert.load_conversion`)
    hybrid.safetensors       the same with the trained spiking network
    PHASE-logits.safetensors logits of the held-out and the test images, in the order of the splits
    PHASE.json               settings, scores, seconds; written last
    PHASE-checkpoint-*       only while it is being trained

Each file is written whole or not at all. A phase is finished if and only if its PHASE.json exists.
Oracle: tests/study/test_conversion_files.py.
"""

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from torch import Tensor

from bayesnn_spike.io import atomic_write_text, save_tree
from bayesnn_spike.study.errors import ConfigError, StudyError
from bayesnn_spike.study.grid import differences

PHASES = ("ann", "converted", "hybrid")


def model_file(folder: Path, phase: str) -> Path:
    """Return the file of a phase's network."""
    return folder / f"{phase}.safetensors"


def checkpoints(folder: Path, phase: str) -> list[Path]:
    """Return what a training of a phase that was stopped has left."""
    return list(folder.glob(f"{phase}-checkpoint-*"))


def write_phase(
    folder: Path, phase: str, record: Mapping[str, Any], logits: Mapping[str, Tensor]
) -> None:
    """Write logits by split and the record, which declares the phase finished.

    The network is written before, to `model_file`; what is left of a checkpoint is deleted.
    """
    save_tree(folder / f"{phase}-logits.safetensors", dict(logits), {"phase": phase})
    text = json.dumps(record, indent=1, sort_keys=True, allow_nan=False)
    atomic_write_text(folder / f"{phase}.json", text + "\n")
    for leftover in checkpoints(folder, phase):
        leftover.unlink()


def read_phase(folder: Path, phase: str) -> dict[str, Any] | None:
    """Return the record of a phase, or None if it is not finished.

    Raises:
        StudyError: a record is there but is none, or its network is missing.
    """
    path = folder / f"{phase}.json"
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        record["settings"], record["digest"], record["scores"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(f"{path}: not a record of a phase ({error!r}); delete it") from error
    if not model_file(folder, phase).is_file():
        raise StudyError(f"{path}: {phase}.safetensors is missing beside it; delete the record")
    return record


def anew(folder: Path, phase: str) -> str:
    """Return the advice that makes a phase run again: its record and later ones are to go."""
    later = PHASES[PHASES.index(phase) :]
    there = [f"{p}.json" for p in later if p == phase or (folder / f"{p}.json").exists()]
    return f"delete {', '.join(there)} to make it anew"


def require_resumable(
    folder: Path, settings: Mapping[str, dict[str, Any]], *, resume: bool
) -> list[str]:
    """Return the finished phases, after checking that they belong to these settings.

    Args:
        folder: the output folder.
        settings: of each phase.
        resume: keep finished phases and go on with a training that was stopped. Without it, a
            folder that holds any of either is refused.

    Raises:
        ConfigError: finished phases or checkpoints are there and `resume` is False; a phase was
            made with other settings, which the message lists; or one comes after a phase that is
            not finished.
        StudyError: a record cannot be read.
    """
    records = {phase: read_phase(folder, phase) for phase in PHASES}
    found = [phase for phase in PHASES if records[phase] is not None]
    if found and not resume:
        raise ConfigError(
            f"{folder} already holds finished phases ({', '.join(found)}): give --resume to keep "
            "them and run the rest, or another folder with --out"
        )
    stopped = [file.name for phase in PHASES for file in sorted(checkpoints(folder, phase))]
    if stopped and not resume:
        raise ConfigError(
            f"{folder} holds a training that was stopped ({', '.join(stopped)}): give --resume to "
            "go on with it, delete the file to start anew, or give another folder with --out"
        )
    for phase in found:
        lines = differences(records[phase]["settings"], settings[phase])
        later = ", ".join(f"{p}.json" for p in found[found.index(phase) :])
        if lines:
            raise ConfigError(
                f"{folder}: the phase {phase} was made with other settings; delete {later} to run "
                "it anew, or use another folder (--out):\n  " + "\n  ".join(lines)
            )
    if found != list(PHASES[: len(found)]):
        missing = next(phase for phase in PHASES if phase not in found)
        raise ConfigError(
            f"{folder}: the phase {missing} is not finished but later ones are "
            f"({', '.join(found[PHASES.index(missing) :])}): delete their .json, or use another "
            "folder (--out)"
        )
    for before, phase in pairwise(found):
        if records[phase]["made_of"] != records[before]["digest"]:
            raise ConfigError(
                f"{folder}: the phase {phase} was made of another network than that of {before} "
                f"now; delete {phase}.json to run it anew"
            )
    return found
